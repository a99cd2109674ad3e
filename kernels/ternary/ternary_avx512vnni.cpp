// VPDPBUSD on one 64-byte line: 16 rows x 4 columns of unsigned codes against four signed
// activations broadcast to every lane, so a lane is a row and nothing is added across lanes.
// Everything here has internal linkage or is an intrinsic (see check.h).

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands in its own header for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::avx512vnni {
namespace {

// gemv leaves the codes at their place in the byte (times 1, 4, 16, 64) and shifts the sums
// instead. The largest sum grows by 2 * 64 * 128 per column of its quarter: 2^30 after this many
// lines.
constexpr std::int64_t kGemvChunkLines = std::int64_t{1} << 14;

// Activations of one group of tokens stay in L2 while all row blocks pass over them.
constexpr std::int64_t kGroupBytes = 384 * 1024;

// Rows of activations whose stride is a large power of two share one set of the L1 cache, which has
// eight ways or more. Larger tiles save little unpacking and were slower for that reason where
// measured (Zen 4).
constexpr int kMaxTile = 8;

__m512i broadcast4(const std::int8_t* q) noexcept {
  std::int32_t word;
  std::memcpy(&word, q, sizeof word);
  return _mm512_set1_epi32(word);
}

void store_rows(float* y, __m512i acc, std::int32_t sum, float scale, std::int64_t rows) noexcept {
  const __m512 value = _mm512_mul_ps(
      _mm512_cvtepi32_ps(_mm512_sub_epi32(acc, _mm512_set1_epi32(sum))), _mm512_set1_ps(scale));
  if (rows >= kTernaryRowBlock) {
    _mm512_storeu_ps(y, value);
  } else {
    _mm512_mask_storeu_ps(y, static_cast<__mmask16>((1u << rows) - 1u), value);
  }
}

// Sum(code * q) of one row block over at most kGemvChunkLines lines. One block at a time and no
// prefetch: the hardware follows a single stream best.
__m512i dot_lines(const std::uint8_t* packed, std::int64_t lines, const std::int8_t* q) noexcept {
  const __m512i mask0 = _mm512_set1_epi8(0x03);
  const __m512i mask1 = _mm512_set1_epi8(0x0c);
  const __m512i mask2 = _mm512_set1_epi8(0x30);
  const __m512i mask3 = _mm512_set1_epi8(static_cast<char>(0xc0));
  __m512i acc0 = _mm512_setzero_si512();
  __m512i acc1 = acc0;
  __m512i acc2 = acc0;
  __m512i acc3 = acc0;
  for (std::int64_t line = 0; line < lines; ++line) {
    const __m512i v = _mm512_load_si512(packed + line * kTernaryLineBytes);
    const std::int8_t* ql = q + line * kTernaryLineCols;
    acc0 = _mm512_dpbusd_epi32(acc0, _mm512_and_si512(v, mask0), broadcast4(ql));
    acc1 = _mm512_dpbusd_epi32(acc1, _mm512_and_si512(v, mask1), broadcast4(ql + 4));
    acc2 = _mm512_dpbusd_epi32(acc2, _mm512_and_si512(v, mask2), broadcast4(ql + 8));
    acc3 = _mm512_dpbusd_epi32(acc3, _mm512_and_si512(v, mask3), broadcast4(ql + 12));
  }
  const __m512i low = _mm512_add_epi32(acc0, _mm512_srai_epi32(acc1, 2));
  const __m512i high = _mm512_add_epi32(_mm512_srai_epi32(acc2, 4), _mm512_srai_epi32(acc3, 6));
  return _mm512_add_epi32(low, high);
}

void gemv(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  const std::int64_t lines = ternary_lines(w.cols);
  const std::uint8_t* packed = w.packed + begin / kTernaryRowBlock * lines * kTernaryLineBytes;
  for (std::int64_t row = begin; row < end; row += kTernaryRowBlock) {
    __m512i total = _mm512_setzero_si512();
    for (std::int64_t line = 0; line < lines; line += kGemvChunkLines) {
      const std::int64_t left = lines - line;
      total = _mm512_add_epi32(total, dot_lines(packed + line * kTernaryLineBytes,
                                                left < kGemvChunkLines ? left : kGemvChunkLines,
                                                x.q + line * kTernaryLineCols));
    }
    store_rows(y + row, total, x.sums[0], x.scales[0], end - row);
    packed += lines * kTernaryLineBytes;
  }
}

// One row block against T tokens: T accumulators, the line unpacked once for all of them.
template <int T>
void tile(const std::uint8_t* packed, std::int64_t lines, const QuantizedBatch& x, std::int64_t t0,
          float* y, std::int64_t y_stride, std::int64_t rows) noexcept {
  const __m512i mask = _mm512_set1_epi8(0x03);
  const std::int8_t* q = x.q + t0 * x.stride;
  __m512i acc[T];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) acc[t] = _mm512_setzero_si512();
  for (std::int64_t line = 0; line < lines; ++line) {
    const __m512i v = _mm512_load_si512(packed + line * kTernaryLineBytes);
    const __m512i c0 = _mm512_and_si512(v, mask);
    const __m512i c1 = _mm512_and_si512(_mm512_srli_epi16(v, 2), mask);
    const __m512i c2 = _mm512_and_si512(_mm512_srli_epi16(v, 4), mask);
    const __m512i c3 = _mm512_and_si512(_mm512_srli_epi16(v, 6), mask);
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const std::int8_t* qt = q + t * x.stride + line * kTernaryLineCols;
      acc[t] = _mm512_dpbusd_epi32(acc[t], c0, broadcast4(qt));
      acc[t] = _mm512_dpbusd_epi32(acc[t], c1, broadcast4(qt + 4));
      acc[t] = _mm512_dpbusd_epi32(acc[t], c2, broadcast4(qt + 8));
      acc[t] = _mm512_dpbusd_epi32(acc[t], c3, broadcast4(qt + 12));
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    store_rows(y + t * y_stride, acc[t], x.sums[t0 + t], x.scales[t0 + t], rows);
  }
}

// One row block against tokens [t0, t1). y points at the block's first row of token 0.
void row_block(const std::uint8_t* packed, std::int64_t lines, const QuantizedBatch& x,
               std::int64_t t0, std::int64_t t1, float* y, std::int64_t y_stride,
               std::int64_t rows) noexcept {
  while (t0 < t1) {
    const std::int64_t left = t1 - t0;
    float* out = y + t0 * y_stride;
    if (left >= 8) {
      tile<8>(packed, lines, x, t0, out, y_stride, rows);
      t0 += 8;
    } else if (left >= 4) {
      tile<4>(packed, lines, x, t0, out, y_stride, rows);
      t0 += 4;
    } else if (left >= 2) {
      tile<2>(packed, lines, x, t0, out, y_stride, rows);
      t0 += 2;
    } else {
      tile<1>(packed, lines, x, t0, out, y_stride, rows);
      t0 += 1;
    }
  }
}

void gemm(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t y_stride,
          std::int64_t begin, std::int64_t end) noexcept {
  const std::int64_t lines = ternary_lines(w.cols);
  const std::int64_t block_bytes = lines * kTernaryLineBytes;
  const std::int64_t tiles = kGroupBytes / (kMaxTile * x.stride);
  const std::int64_t group = kMaxTile * (tiles > 1 ? tiles : 1);
  for (std::int64_t t0 = 0; t0 < x.tokens; t0 += group) {
    const std::int64_t t1 = x.tokens - t0 < group ? x.tokens : t0 + group;
    for (std::int64_t row = begin; row < end; row += kTernaryRowBlock) {
      row_block(w.packed + row / kTernaryRowBlock * block_bytes, lines, x, t0, t1, y + row,
                y_stride, end - row);
    }
  }
}

}  // namespace

constinit const TernaryKernels kTernary = {kTernaryRowBlock,
                                           scalar::ternary_packed_bytes,
                                           scalar::ternary_pack,
                                           scalar::ternary_unpack_row,
                                           gemv,
                                           gemm};

}  // namespace tern::kernels::avx512vnni
