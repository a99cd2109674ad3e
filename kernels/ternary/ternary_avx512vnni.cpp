// Layout t2 through the dot products of ternary_avx512.inl. Everything here has internal linkage or
// is an intrinsic (see check.h).

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands in its own header for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "kernels/simd/reading.h"
#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::avx512vnni {
namespace {

#include "kernels/ternary/ternary_avx512.inl"

// Rows [row, row + 16 B), of which `end` may cut off the last.
template <class Reading, int B>
void gemv_blocks(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t row,
                 std::int64_t end) noexcept {
  const std::int64_t lines = ternary_lines(w.cols);
  const std::int64_t block_bytes = lines * kTernaryLineBytes;
  const std::uint8_t* packed = w.packed + row / kTernaryRowBlock * block_bytes;
  __m512i totals[B];
  for (int b = 0; b < B; ++b) totals[b] = _mm512_setzero_si512();
  // Behind the end of its row block a stream goes on B blocks later, not where its neighbour began.
  constexpr std::int64_t kAheadLines = Reading::kAheadBytes / kTernaryLineBytes;
  const std::int64_t turn = lines > kAheadLines ? lines - kAheadLines : 0;
  std::int64_t count = 0;
  for (std::int64_t line = 0; line < lines; line += count) {
    const std::int64_t left = (line < turn ? turn : lines) - line;
    count = left < kGemvChunkLines ? left : kGemvChunkLines;
    dot_lines<Reading, B>(packed + line * kTernaryLineBytes, block_bytes, count,
                          Reading::kAheadBytes + (line < turn ? 0 : (B - 1) * block_bytes),
                          x.q + line * kTernaryLineCols, totals);
  }
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

// T tokens or fewer, the first of them t0, against rows [begin, end).
template <int T>
void gemm_tile(const TernaryMatrix& w, const QuantizedBatch& x, std::int64_t t0, float* y,
               std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  alignas(64) std::int8_t interleaved[T >= 4 ? T * kTileCols<T> : 1];
  const std::int64_t lines = ternary_lines(w.cols);
  const std::int64_t tokens = x.tokens - t0 < T ? x.tokens - t0 : T;
  constexpr std::int64_t kChunkLines = kTileCols<T> / kTernaryLineCols;
  for (std::int64_t line = 0; line < lines; line += kChunkLines) {
    const std::int64_t count = lines - line < kChunkLines ? lines - line : kChunkLines;
    const std::int8_t* q = x.q + t0 * x.stride + line * kTernaryLineCols;
    Words words{q, tokens < T ? 0 : x.stride, 4};
    if constexpr (T >= 4) {
      interleave<T>(q, x.stride, count * kTernaryLineCols, interleaved, tokens);
      words.q = interleaved;
    }
    Outputs out{x.sums + t0, x.scales + t0,         nullptr, y_stride, 0,
                line == 0,   line + count == lines, tokens};
    for (std::int64_t row = begin; row < end; row += kTernaryRowBlock) {
      out.y = y + t0 * y_stride + row;
      out.rows = end - row;
      tile<T>(w.packed + (row / kTernaryRowBlock * lines + line) * kTernaryLineBytes, count,
              lines * kTernaryLineBytes, words, out);
    }
  }
}

template <class Reading>
void gemm(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t y_stride,
          std::int64_t begin, std::int64_t end) noexcept {
  if (x.tokens == 1) return gemv<Reading>(w, x, y, begin, end);
  for (std::int64_t t = 0; t < x.tokens;) {
    // A tile may have more tokens than there are: one pass too wide is cheaper than two narrow
    // ones, except for 17 to 20 tokens.
    const std::int64_t left = x.tokens - t;
    if (left > 20)
      gemm_tile<kMaxTile>(w, x, t, y, y_stride, begin, end), t += kMaxTile;
    else if (left > 12)
      gemm_tile<16>(w, x, t, y, y_stride, begin, end), t += 16;
    else if (left > 8)
      gemm_tile<12>(w, x, t, y, y_stride, begin, end), t += 12;
    else if (left > 4)
      gemm_tile<8>(w, x, t, y, y_stride, begin, end), t += 8;
    else if (left > 2)
      gemm_tile<4>(w, x, t, y, y_stride, begin, end), t += 4;
    else
      gemm_tile<2>(w, x, t, y, y_stride, begin, end), t += 2;
  }
}

template <class Reading>
constexpr TernaryKernels kKernels = {kTernaryRowBlock,
                                     scalar::ternary_packed_bytes,
                                     scalar::ternary_pack,
                                     scalar::ternary_unpack_row,
                                     gemv<Reading>,
                                     gemm<Reading>,
                                     peak};

}  // namespace

constinit const TernaryKernels kTernary = kKernels<SideBySide>;
constinit const TernaryKernels kTernaryInTurn = kKernels<InTurn>;

}  // namespace tern::kernels::avx512vnni
