// TDPBSUD: a tile of 16 tokens x 64 columns of signed activations times a tile of 64 columns x 16
// rows of unsigned codes, into 16 x 16 sums, for both layouts. Decoding reads each weight once and
// borrows the vector kernels. Everything here has internal linkage or is an intrinsic (see
// check.h).

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands in its own header for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "kernels/ternary/dense_layout.h"
#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::amx {
namespace {

#include "kernels/ternary/amx_tiles.inl"

#include "kernels/ternary/dense_decode_avx512vbmi.inl"

// Fewer tokens leave so much of a tile empty that the vector kernel is faster.
constexpr std::int64_t kFewestTokens = 16;

// Activations gathered at a time: part of L2.
constexpr std::int64_t kGatheredBytes = std::int64_t{512} * 1024;

// How lines of a row block in layout t2 become codes. A unit is what stored bytes and tiles divide.
struct T2 {
  static constexpr std::int64_t kUnitLines = kTileLines;
  static const TernaryKernels& vector_kernels() noexcept { return avx512vnni::kTernary; }
  static std::int64_t block_bytes(std::int64_t cols) noexcept {
    return ternary_lines(cols) * kTernaryLineBytes;
  }
  // Where a line that begins a unit is stored.
  static std::int64_t offset(std::int64_t line) noexcept { return line * kTernaryLineBytes; }

  // `count` lines, the first of which begins a unit. Asks for what is stored so many bytes later.
  void expand(const std::uint8_t* packed, std::int64_t count, std::int64_t ahead,
              const CodeTiles& out) const noexcept {
    for (std::int64_t line = 0; line < count; ++line, packed += kTernaryLineBytes) {
      _mm_prefetch(reinterpret_cast<const char*>(packed + ahead), _MM_HINT_T1);
      store_codes(_mm512_load_si512(packed), line, out);
    }
  }
};

// The same for layout t5.
struct T5 {
  static constexpr std::int64_t kUnitLines = kTileLines * kDenseGroup;
  static const TernaryKernels& vector_kernels() noexcept { return avx512vbmi::kTernaryDense; }
  static std::int64_t block_bytes(std::int64_t cols) noexcept { return dense_block_bytes(cols); }
  static std::int64_t offset(std::int64_t line) noexcept {
    return line / kDenseGroup * kDenseStored * kTernaryLineBytes;
  }

  void expand(const std::uint8_t* packed, std::int64_t count, std::int64_t ahead,
              const CodeTiles& out) const noexcept {
    std::int64_t line = 0;
    for (; count - line >= kDenseGroup; line += kDenseGroup) {
#pragma GCC unroll 4
      for (int i = 0; i < kDenseStored; ++i, packed += kTernaryLineBytes) {
        _mm_prefetch(reinterpret_cast<const char*>(packed + ahead), _MM_HINT_T1);
        const Decoded v = decode(decoder, _mm512_load_si512(packed));
        store_codes(v.t2, line + i, out);
        _mm512_store_si512(out.at(line + kDenseStored, i), _mm512_srli_epi16(v.fifth, 6));
      }
    }
    for (; line < count; ++line, packed += kTernaryLineBytes) {
      store_codes(_mm512_load_si512(packed), line, out);
    }
  }

  Decoder decoder = make_decoder();
};

// A block of tokens against rows [begin, end), whole row blocks.
struct Job {
  const std::uint8_t* packed;  // of row 0
  std::int64_t lines, block_bytes;
  const std::int8_t* q;  // of the block's first token, as are the outputs
  std::int64_t q_stride;
  Outputs out;
  std::int64_t begin, end;
};

// Some lines of a job's rows.
struct Chunk {
  std::int64_t line, count;
};

Outputs outputs_at(const Job& job, const Chunk& chunk, std::int64_t row) noexcept {
  Outputs out = job.out;
  out.y += row;
  out.first = chunk.line == 0;
  out.last = chunk.line + chunk.count == job.lines;
  return out;
}

// Codes of B row blocks, `row` the first row. What an unfinished tile holds behind the last line
// meets the zeros behind the last column of activations.
template <int B, class L>
void expand_blocks(const L& layout, const Job& job, const Chunk& chunk, std::int64_t row,
                   std::int64_t ahead, std::uint8_t* codes) noexcept {
  const std::uint8_t* packed =
      job.packed + row / kTernaryRowBlock * job.block_bytes + L::offset(chunk.line);
  for (int i = 0; i < B; ++i, packed += job.block_bytes) {
    layout.expand(packed, chunk.count, ahead, {codes + i * kTileBytes, B});
  }
}

// ---- many tokens
// ---------------------------------------------------------------------------------

// Codes of two row blocks and at most this many lines, 40 KiB, most of L1, are unpacked once for
// all tokens of a block. Between chunks the sums wait in y, so few chunks are best, and alike ones.
constexpr std::int64_t kManyTokens = 512;
constexpr std::int64_t kManyLines = 80;
constexpr std::int64_t kManyBytes = kManyTokens * kManyLines * kTernaryLineCols;  // part of L2

// Lines of every chunk but the last.
template <class L>
std::int64_t chunk_lines(std::int64_t lines) noexcept {
  static_assert(kManyLines % L::kUnitLines == 0);
  const std::int64_t chunks = (lines + kManyLines - 1) / kManyLines;
  return (lines + chunks * L::kUnitLines - 1) / (chunks * L::kUnitLines) * L::kUnitLines;
}

template <int A, int B>
void multiply_group(const std::int8_t* a, const std::uint8_t* codes, std::int64_t tiles,
                    const Outputs& out) noexcept {
  begin_sums<A, B>(out);
  multiply<A, B>(a, tiles * kTileBytes, codes, B * kTileBytes, tiles);
  end_sums<A, B>(out);
}

// All tokens of a block against B row blocks whose codes are unpacked.
template <int B>
void multiply_groups(const std::int8_t* a, const std::uint8_t* codes, std::int64_t tiles,
                     const Outputs& block, bool configured) noexcept {
  const std::int64_t rest = block.tokens % kGroupTokens;
  if (!configured && block.tokens > rest) configure(kGroupTokens);
  Outputs out = block;
  for (std::int64_t t = 0; t < block.tokens; t += kGroupTokens) {
    out.tokens = lesser(block.tokens - t, kGroupTokens);
    if (!configured && out.tokens == rest) configure(rest);
    if (out.tokens > kTileRows) {
      multiply_group<2, B>(a, codes, tiles, out);
    } else {
      multiply_group<1, B>(a, codes, tiles, out);
    }
    a += 2 * tiles * kTileBytes;
    out.sums += kGroupTokens;
    out.scales += kGroupTokens;
    out.y += kGroupTokens * block.y_stride;
  }
}

template <class L>
void gemm_many(const L& layout, const Job& job) noexcept {
  alignas(64) std::int8_t a[kManyBytes];
  alignas(64) std::uint8_t codes[2 * kManyLines / kTileLines * kTileBytes];
  // One configuration serves all groups where they are all alike.
  const bool alike = job.out.tokens % kGroupTokens == 0;
  if (alike) configure(kGroupTokens);
  const std::int64_t most = chunk_lines<L>(job.lines);
  for (std::int64_t line = 0; line < job.lines; line += most) {
    const Chunk chunk{line, lesser(job.lines - line, most)};
    const std::int64_t tiles = tiles_of(chunk.count);
    gather(job.q + line * kTernaryLineCols, job.q_stride, job.out.tokens, tiles, a);
    for (std::int64_t row = job.begin; row < job.end; row += 2 * kTernaryRowBlock) {
      const Outputs out = outputs_at(job, chunk, row);
      if (job.end - row > kTernaryRowBlock) {
        expand_blocks<2>(layout, job, chunk, row, 2 * job.block_bytes, codes);
        multiply_groups<2>(a, codes, tiles, out, alike);
      } else {
        expand_blocks<1>(layout, job, chunk, row, 0, codes);
        multiply_groups<1>(a, codes, tiles, out, alike);
      }
    }
  }
}

// ---- few tokens, one group
// -----------------------------------------------------------------------

// Codes are used only once, so the sums stay in their tiles along the columns, and codes are
// unpacked a few tiles ahead, beside the products of those before.
constexpr std::int64_t kAheadTiles = 5;
template <class L>
constexpr std::int64_t kAheadLines =
    (kAheadTiles * kTileLines + L::kUnitLines - 1) / L::kUnitLines * L::kUnitLines;
template <class L>
constexpr std::int64_t kFewLines =
    kGatheredBytes / kGroupTokens / kTernaryLineCols / L::kUnitLines * L::kUnitLines;
constexpr std::int64_t kFewPrefetchBytes = 2048;

// Columns of B row blocks, `row` the first row, from the first to the last line of a chunk.
template <int A, int B, class L>
void multiply_few(const L& layout, const Job& job, const Chunk& chunk, std::int64_t row,
                  const std::int8_t* a) noexcept {
  alignas(64) std::uint8_t codes[2][B * kAheadLines<L> / kTileLines * kTileBytes];
  const Outputs out = outputs_at(job, chunk, row);
  const std::int64_t a_next = tiles_of(chunk.count) * kTileBytes;
  begin_sums<A, B>(out);
  const auto part = [&](std::int64_t line) {
    return Chunk{chunk.line + line, lesser(chunk.count - line, kAheadLines<L>)};
  };
  expand_blocks<B>(layout, job, part(0), row, kFewPrefetchBytes, codes[0]);
  int half = 0;
  for (std::int64_t line = 0; line < chunk.count; line += kAheadLines<L>, half = 1 - half) {
    const std::int64_t tiles = tiles_of(part(line).count);
    multiply<A, B>(a, a_next, codes[half], B * kTileBytes, tiles);
    a += tiles * kTileBytes;
    const std::int64_t next = line + kAheadLines<L>;
    if (next < chunk.count) {
      expand_blocks<B>(layout, job, part(next), row, kFewPrefetchBytes, codes[1 - half]);
    }
  }
  end_sums<A, B>(out);
}

template <class L>
void gemm_few(const L& layout, const Job& job) noexcept {
  alignas(64) std::int8_t a[kGatheredBytes];
  configure(job.out.tokens);
  const bool two = job.out.tokens > kTileRows;
  for (std::int64_t line = 0; line < job.lines; line += kFewLines<L>) {
    const Chunk chunk{line, lesser(job.lines - line, kFewLines<L>)};
    gather(job.q + line * kTernaryLineCols, job.q_stride, job.out.tokens, tiles_of(chunk.count), a);
    for (std::int64_t row = job.begin; row < job.end;) {
      const std::int64_t blocks = (job.end - row) / kTernaryRowBlock;
      if (two && blocks >= 2) {
        multiply_few<2, 2>(layout, job, chunk, row, a);
        row += 2 * kTernaryRowBlock;
      } else if (two) {
        multiply_few<2, 1>(layout, job, chunk, row, a);
        row += kTernaryRowBlock;
      } else if (blocks >= kMostBlocks) {
        multiply_few<1, kMostBlocks>(layout, job, chunk, row, a);
        row += kMostBlocks * kTernaryRowBlock;
      } else {
        multiply_few<1, 1>(layout, job, chunk, row, a);
        row += kTernaryRowBlock;
      }
    }
  }
}

// --------------------------------------------------------------------------------------------------

template <class L>
void gemm(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t y_stride,
          std::int64_t begin, std::int64_t end) noexcept {
  const std::int64_t whole = begin + (end - begin) / kTernaryRowBlock * kTernaryRowBlock;
  if (x.tokens < kFewestTokens || whole == begin) {
    L::vector_kernels().gemm(w, x, y, y_stride, begin, end);
    return;
  }
  const L layout;
  for (std::int64_t t = 0; t < x.tokens; t += kManyTokens) {
    const std::int64_t tokens = lesser(x.tokens - t, kManyTokens);
    const Outputs out{x.sums + t, x.scales + t, y + t * y_stride, y_stride, tokens, true, true};
    const Job job{w.packed,
                  ternary_lines(w.cols),
                  L::block_bytes(w.cols),
                  x.q + t * x.stride,
                  x.stride,
                  out,
                  begin,
                  whole};
    if (tokens > kGroupTokens) {
      gemm_many(layout, job);
    } else {
      gemm_few(layout, job);
    }
  }
  _tile_release();
  // A tile would write past the last rows.
  if (whole < end) L::vector_kernels().gemm(w, x, y, y_stride, whole, end);
}

template <class L>
void gemv(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  L::vector_kernels().gemv(w, x, y, begin, end);
}

std::int64_t peak(std::int64_t rounds) noexcept {
  alignas(64) std::uint8_t ones[kTileBytes];
  alignas(64) std::int32_t c[4][kTileRows * kTileRows];
  std::memset(ones, 1, sizeof ones);
  configure(kGroupTokens);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, ones, kTileCols);
  _tile_loadd(5, ones, kTileCols);
  _tile_loadd(6, ones, kTileCols);
  _tile_loadd(7, ones, kTileCols);
  for (std::int64_t round = 0; round < rounds; ++round) {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
  }
  _tile_stored(0, c[0], kTileCols);
  _tile_stored(1, c[1], kTileCols);
  _tile_stored(2, c[2], kTileCols);
  _tile_stored(3, c[3], kTileCols);
  _tile_release();
  std::int64_t done = 0;
  for (const auto& tile : c) {
    for (const std::int32_t sum : tile) done += sum;
  }
  return done;
}

}  // namespace

constinit const TernaryKernels kTernary = {kTernaryRowBlock,
                                           scalar::ternary_packed_bytes,
                                           scalar::ternary_pack,
                                           scalar::ternary_unpack_row,
                                           gemv<T2>,
                                           gemm<T2>,
                                           peak};

constinit const TernaryKernels kTernaryDense = {kTernaryRowBlock,
                                                scalar::dense_packed_bytes,
                                                scalar::dense_pack,
                                                scalar::dense_unpack_row,
                                                gemv<T5>,
                                                gemm<T5>,
                                                peak};

}  // namespace tern::kernels::amx
