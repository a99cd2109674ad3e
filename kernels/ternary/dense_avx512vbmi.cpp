// Layout t5: VPERMB turns stored bytes back into lines of layout t2, for the dot products of
// ternary_avx512.inl. Everything here has internal linkage or is an intrinsic (see check.h).

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands in its own header for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "kernels/simd/reading.h"
#include "kernels/ternary/dense_layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::avx512vbmi {
namespace {

#include "kernels/ternary/dense_decode_avx512vbmi.inl"

#include "kernels/ternary/ternary_avx512.inl"

constexpr std::int64_t kGroupCols = kDenseGroup * kTernaryLineCols;
constexpr std::int64_t kGroupBytes = kDenseStored * kTernaryLineBytes;

// A stored line is added to the sums of codes times 64 twice, so they fill twice as fast as those
// of a t2 line.
constexpr std::int64_t kGemvChunkGroups = kGemvChunkLines / 2 / kDenseStored;

// Sum(code * q) of B neighbouring row blocks over at most kGemvChunkGroups groups, added to totals.
template <class Reading, int B>
void dot_groups(const std::uint8_t* packed, std::int64_t block_bytes, std::int64_t groups,
                const std::int8_t* q, __m512i* totals) noexcept {
  const Decoder decoder = make_decoder();
  const __m512i masks[3] = {_mm512_set1_epi8(0x03), _mm512_set1_epi8(0x0c), _mm512_set1_epi8(0x30)};
  // One row block alone has registers for more chains, and needs them.
  constexpr int kSets = B == 1 ? 2 : 1;
  __m512i acc[B * kSets][4];
#pragma GCC unroll 4
  for (int b = 0; b < B * kSets; ++b) {
    acc[b][0] = acc[b][1] = acc[b][2] = acc[b][3] = _mm512_setzero_si512();
  }
  for (std::int64_t g = 0; g < groups; ++g, q += kGroupCols, packed += kGroupBytes) {
#pragma GCC unroll 1
    for (int i = 0; i < kDenseStored; i += kSets) {
#pragma GCC unroll 2
      for (int set = 0; set < kSets; ++set) {
        const int line = i + set;
        const std::int8_t* ql = q + line * kTernaryLineCols;
        const __m512i words[4] = {broadcast4(ql), broadcast4(ql + 4), broadcast4(ql + 8),
                                  broadcast4(ql + 12)};
        const __m512i fifth_word = broadcast4(q + kDenseStored * kTernaryLineCols + 4 * line);
#pragma GCC unroll 4
        for (int b = 0; b < B; ++b) {
          const std::uint8_t* p = packed + b * block_bytes + line * kTernaryLineBytes;
          __builtin_prefetch(p + Reading::kAheadBytes, 0, Reading::kLocality);
          const Decoded v = decode(decoder, _mm512_load_si512(p));
          __m512i* sums = acc[b * kSets + set];
          dot(sums[3], v.fifth, fifth_word);
#pragma GCC unroll 3
          for (int j = 0; j < 3; ++j) dot(sums[j], _mm512_and_si512(v.t2, masks[j]), words[j]);
          dot(sums[3], _mm512_and_si512(v.t2, decoder.top), words[3]);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int b = 0; b < B * kSets; ++b) {
    const __m512i sum = add_quarters(acc[b][0], acc[b][1], acc[b][2], acc[b][3]);
    totals[b / kSets] = _mm512_add_epi32(totals[b / kSets], sum);
  }
}

// Rows [row, row + 16 B), of which `end` may cut off the last.
template <class Reading, int B>
void gemv_blocks(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t row,
                 std::int64_t end) noexcept {
  const std::int64_t lines = ternary_lines(w.cols);
  const std::int64_t groups = lines / kDenseGroup;
  const std::int64_t block_bytes = dense_block_bytes(w.cols);
  const std::uint8_t* packed = w.packed + row / kTernaryRowBlock * block_bytes;
  __m512i totals[B];
  for (int b = 0; b < B; ++b) totals[b] = _mm512_setzero_si512();
  for (std::int64_t g = 0; g < groups; g += kGemvChunkGroups) {
    dot_groups<Reading, B>(packed + g * kGroupBytes, block_bytes,
                           groups - g < kGemvChunkGroups ? groups - g : kGemvChunkGroups,
                           x.q + g * kGroupCols, totals);
  }
  dot_lines<Reading, B>(packed + groups * kGroupBytes, block_bytes, lines % kDenseGroup,
                        Reading::kAheadBytes, x.q + groups * kGroupCols, totals);
  for (int b = 0; b < B; ++b, row += kTernaryRowBlock) {
    store_rows(y + row, totals[b], x.sums[0], x.scales[0], end - row);
  }
}

template <class Reading>
void gemv(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  std::int64_t row = begin;
  constexpr int kStreams = Reading::kStreams;
  for (; end - row > (kStreams - 1) * kTernaryRowBlock; row += kStreams * kTernaryRowBlock) {
    gemv_blocks<Reading, kStreams>(w, x, y, row, end);
  }
  for (; row < end; row += kTernaryRowBlock) gemv_blocks<Reading, 1>(w, x, y, row, end);
}

// gemm decodes a chunk of columns of a few row blocks once for several tiles of tokens. The decoded
// lines and the interleaved activations of one tile share L1 (16 and 24 KiB); those of the other
// tiles wait in L2.
constexpr std::int64_t kChunkLines = kChunkCols / kTernaryLineCols;
constexpr std::int64_t kChunkGroups = 12;  // and in the last chunk the lines behind the last group
static_assert(kChunkGroups * kDenseGroup + kDenseGroup - 1 <= kChunkLines);
constexpr std::int64_t kPanelBlocks = 4;
constexpr std::int64_t kExpandAheadBytes = 2048;
constexpr int kPanelTiles = 4;

// Rows whose sums of a panel's tiles stay in L2 between chunks (384 KiB).
constexpr std::int64_t kPartRows = 1024;

// Part of the columns of a matrix.
struct Chunk {
  std::int64_t first_line, lines;  // of layout t2
  std::int64_t groups;
  bool first, last;
};

Chunk chunk_at(std::int64_t group, std::int64_t lines) noexcept {
  const std::int64_t all = lines / kDenseGroup;
  const bool last = all - group <= kChunkGroups;
  const std::int64_t groups = last ? all - group : kChunkGroups;
  const std::int64_t first = group * kDenseGroup;
  return {first, last ? lines - first : groups * kDenseGroup, groups, group == 0, last};
}

// The lines of a chunk of one row block, from its first stored line.
void expand(const Decoder& decoder, const std::uint8_t* packed, const Chunk& chunk,
            std::uint8_t* lines) noexcept {
  for (std::int64_t g = 0; g < chunk.groups; ++g) {
    __m512i fifth[kDenseStored];
#pragma GCC unroll 4
    for (int i = 0; i < kDenseStored; ++i, packed += kTernaryLineBytes) {
      __builtin_prefetch(packed + kExpandAheadBytes, 0, 2);
      const Decoded v = decode(decoder, _mm512_load_si512(packed));
      _mm512_store_si512(lines + i * kTernaryLineBytes, v.t2);
      fifth[i] = v.fifth;
    }
    const __m512i low =
        _mm512_or_si512(_mm512_srli_epi16(fifth[0], 6), _mm512_srli_epi16(fifth[1], 4));
    const __m512i high = _mm512_or_si512(_mm512_srli_epi16(fifth[2], 2), fifth[3]);
    _mm512_store_si512(lines + kDenseStored * kTernaryLineBytes, _mm512_or_si512(low, high));
    lines += kDenseGroup * kTernaryLineBytes;
  }
  std::memcpy(
      lines, packed,
      static_cast<std::size_t>((chunk.lines - chunk.groups * kDenseGroup) * kTernaryLineBytes));
}

// Tokens [t0, t0 + size) and their words.
struct TokenTile {
  std::int64_t t0;
  int size;  // 24, 16, 8, 4, 2 or 1; 0 behind the last tile
  Words words;
};

int tile_size(std::int64_t tokens) noexcept {
  if (tokens >= kMaxTile) return kMaxTile;
  int size = 16;
  while (size > tokens) size /= 2;
  return size;
}

Words words_of(const std::int8_t* q, std::int64_t stride, std::int64_t cols, int size,
               std::int8_t* room) noexcept {
  if (size < 4) return {q, stride, 4};
  if (size == 24) interleave<24>(q, stride, cols, room);
  if (size == 16) interleave<16>(q, stride, cols, room);
  if (size == 8) interleave<8>(q, stride, cols, room);
  if (size == 4) interleave<4>(q, stride, cols, room);
  return {room, 0, 0};
}

void run_tile(const TokenTile& t, const std::uint8_t* lines, std::int64_t count,
              const Outputs& out) noexcept {
  if (t.size == 24) return tile<24>(lines, count, 0, t.words, out);
  if (t.size == 16) return tile<16>(lines, count, 0, t.words, out);
  if (t.size == 8) return tile<8>(lines, count, 0, t.words, out);
  if (t.size == 4) return tile<4>(lines, count, 0, t.words, out);
  if (t.size == 2) return tile<2>(lines, count, 0, t.words, out);
  tile<1>(lines, count, 0, t.words, out);
}

// One chunk of the columns of a few row blocks, the first of them at `row`, against some tiles of
// tokens. packed: the chunk in the first row block.
void run_panel(const Decoder& decoder, const std::uint8_t* packed, std::int64_t block_bytes,
               std::int64_t row, std::int64_t end, const Chunk& chunk,
               const TokenTile (&tiles)[kPanelTiles], const QuantizedBatch& x, float* y,
               std::int64_t y_stride) noexcept {
  alignas(64) std::uint8_t lines[kPanelBlocks][kChunkLines * kTernaryLineBytes];
  const std::int64_t left = (end - row + kTernaryRowBlock - 1) / kTernaryRowBlock;
  const std::int64_t blocks = left < kPanelBlocks ? left : kPanelBlocks;
  for (std::int64_t b = 0; b < blocks; ++b) {
    expand(decoder, packed + b * block_bytes, chunk, lines[b]);
  }
  for (const TokenTile& t : tiles) {
    if (t.size == 0) break;
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::int64_t at = row + b * kTernaryRowBlock;
      run_tile(t, lines[b], chunk.lines,
               {x.sums + t.t0, x.scales + t.t0, y + t.t0 * y_stride + at, y_stride, end - at,
                chunk.first, chunk.last, t.size});
    }
  }
}

// Some tiles of tokens against rows [begin, end).
void run_tiles(const TernaryMatrix& w, const QuantizedBatch& x, TokenTile (&tiles)[kPanelTiles],
               float* y, std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  alignas(64) std::int8_t room[kPanelTiles][kMaxTile * kChunkCols];
  const Decoder decoder = make_decoder();
  const std::int64_t lines = ternary_lines(w.cols);
  const std::int64_t block_bytes = dense_block_bytes(w.cols);
  bool more = true;
  for (std::int64_t group = 0; more; group += kChunkGroups) {
    const Chunk chunk = chunk_at(group, lines);
    more = !chunk.last;
    const std::int8_t* q = x.q + chunk.first_line * kTernaryLineCols;
    for (int i = 0; i < kPanelTiles; ++i) {
      tiles[i].words = words_of(q + tiles[i].t0 * x.stride, x.stride,
                                chunk.lines * kTernaryLineCols, tiles[i].size, room[i]);
    }
    const std::uint8_t* packed = w.packed + group * kGroupBytes;
    for (std::int64_t row = begin; row < end; row += kPanelBlocks * kTernaryRowBlock) {
      run_panel(decoder, packed + row / kTernaryRowBlock * block_bytes, block_bytes, row, end,
                chunk, tiles, x, y, y_stride);
    }
  }
}

void gemm(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t y_stride,
          std::int64_t begin, std::int64_t end) noexcept {
  for (std::int64_t t = 0; t < x.tokens;) {
    TokenTile tiles[kPanelTiles] = {};
    for (TokenTile& one : tiles) {
      if (t == x.tokens) break;
      one.t0 = t;
      one.size = tile_size(x.tokens - t);
      t += one.size;
    }
    for (std::int64_t row = begin; row < end; row += kPartRows) {
      run_tiles(w, x, tiles, y, y_stride, row, end - row < kPartRows ? end : row + kPartRows);
    }
  }
}

template <class Reading>
constexpr TernaryKernels kKernels = {kTernaryRowBlock,
                                     scalar::dense_packed_bytes,
                                     scalar::dense_pack,
                                     scalar::dense_unpack_row,
                                     gemv<Reading>,
                                     gemm,
                                     peak};

}  // namespace

constinit const TernaryKernels kTernaryDense = kKernels<SideBySide>;
constinit const TernaryKernels kTernaryDenseInTurn = kKernels<InTurn>;

}  // namespace tern::kernels::avx512vbmi
