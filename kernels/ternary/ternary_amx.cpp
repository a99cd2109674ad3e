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

#include "kernels/simd/amx_config.inl"

#include "kernels/ternary/amx_tiles.inl"

#include "kernels/ternary/dense_decode_avx512vbmi.inl"

// Fewer tokens leave so much of a tile empty that the vector kernel is faster.
constexpr std::int64_t kFewestTokens = 16;

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

// Codes of two row blocks and at most this many lines, 40 KiB, most of L1, are unpacked once for
// all tokens of a block. Between chunks the sums wait in y, so few chunks are best, and alike ones.
constexpr std::int64_t kBlockTokens = 512;
constexpr std::int64_t kChunkLines = 80;
constexpr std::int64_t kGatheredBytes =
    kBlockTokens * kChunkLines * kTernaryLineCols;  // part of L2

// Lines of every chunk but the last.
template <class L>
std::int64_t chunk_lines(std::int64_t lines) noexcept {
  static_assert(kChunkLines % L::kUnitLines == 0);
  const std::int64_t chunks = (lines + kChunkLines - 1) / kChunkLines;
  return (lines + chunks * L::kUnitLines - 1) / (chunks * L::kUnitLines) * L::kUnitLines;
}

template <int A, int B>
void multiply_group(const std::int8_t* a, const std::uint8_t* codes, std::int64_t tiles,
                    const Outputs& out) noexcept {
  begin_sums<A, B>(out);
  multiply<A, B>(a, codes, tiles);
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
void gemm_block(const L& layout, const Job& job) noexcept {
  alignas(64) std::int8_t a[kGatheredBytes];
  alignas(64) std::uint8_t codes[2 * kChunkLines / kTileLines * kTileBytes];
  // One configuration serves all groups where they are all alike.
  const std::int64_t first = lesser(job.out.tokens, kGroupTokens);
  const bool alike = job.out.tokens % first == 0;
  if (alike) configure(first);
  const std::int64_t most = chunk_lines<L>(job.lines);
  for (std::int64_t line = 0; line < job.lines; line += most) {
    const Chunk chunk{line, lesser(job.lines - line, most)};
    const std::int64_t tiles = tiles_of(chunk.count);
    gather(job.q + line * kTernaryLineCols, job.q_stride, job.out.tokens, tiles, a);
    for (std::int64_t row = job.begin; row < job.end; row += kPairRows) {
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

template <class L>
void gemm(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t y_stride,
          std::int64_t begin, std::int64_t end) noexcept {
  const std::int64_t whole = begin + (end - begin) / kTernaryRowBlock * kTernaryRowBlock;
  if (x.tokens < kFewestTokens || whole == begin) {
    L::vector_kernels().gemm(w, x, y, y_stride, begin, end);
    return;
  }
  const L layout;
  for (std::int64_t t = 0; t < x.tokens; t += kBlockTokens) {
    const std::int64_t tokens = lesser(x.tokens - t, kBlockTokens);
    const Outputs out{x.sums + t, x.scales + t, y + t * y_stride, y_stride, tokens, true, true};
    const Job job{w.packed,
                  ternary_lines(w.cols),
                  L::block_bytes(w.cols),
                  x.q + t * x.stride,
                  x.stride,
                  out,
                  begin,
                  whole};
    gemm_block(layout, job);
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
