// VPMADDUBSW on half lines: 8 rows x 4 columns of unsigned codes against four signed activations
// broadcast to every lane. A pair sum lies in [-512, 508], so int16 holds 64 of them: kStripLines
// lines of four. Then VPMADDWD with ones widens to one int32 per row. Everything here has internal
// linkage or is an intrinsic (see check.h).

#include <immintrin.h>

#include <cstring>

#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::avx2 {
namespace {

constexpr std::int64_t kStripLines = 16;

// How far ahead gemv asks for weights: one thread of Emerald Rapids then reads them half as fast
// again.
constexpr std::int64_t kPrefetchBytes = 8192;

// Activations of one group of tokens stay in L2 while all row blocks pass over them.
constexpr std::int64_t kGroupBytes = 128 * 1024;
constexpr std::int64_t kMaxTile = 4;

__m256i broadcast4(const std::int8_t* q) noexcept {
  std::int32_t word;
  std::memcpy(&word, q, sizeof word);
  return _mm256_set1_epi32(word);
}

template <int J>
__m256i codes(__m256i v) noexcept {
  return _mm256_and_si256(J == 0 ? v : _mm256_srli_epi16(v, 2 * J), _mm256_set1_epi8(0x03));
}

// Columns 4J to 4J+3 of one line for T tokens; acc holds rows 0-7 and rows 8-15 of each.
template <int J, int T>
void step(__m256i low, __m256i high, const std::int8_t* q, std::int64_t stride,
          __m256i (&acc)[T][2]) noexcept {
  const __m256i c0 = codes<J>(low);
  const __m256i c1 = codes<J>(high);
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    const __m256i b = broadcast4(q + t * stride + 4 * J);
    acc[t][0] = _mm256_add_epi16(acc[t][0], _mm256_maddubs_epi16(c0, b));
    acc[t][1] = _mm256_add_epi16(acc[t][1], _mm256_maddubs_epi16(c1, b));
  }
}

// Adds at most kStripLines lines to the int32 totals.
template <int T>
void strip(const std::uint8_t* packed, std::int64_t lines, const std::int8_t* q,
           std::int64_t stride, __m256i (&total)[T][2]) noexcept {
  __m256i acc[T][2];
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) acc[t][0] = acc[t][1] = _mm256_setzero_si256();
  for (std::int64_t line = 0; line < lines; ++line) {
    const std::uint8_t* p = packed + line * kTernaryLineBytes;
    if constexpr (T == 1) __builtin_prefetch(p + kPrefetchBytes, 0, 2);
    const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(p + 32));
    const std::int8_t* ql = q + line * kTernaryLineCols;
    step<0, T>(low, high, ql, stride, acc);
    step<1, T>(low, high, ql, stride, acc);
    step<2, T>(low, high, ql, stride, acc);
    step<3, T>(low, high, ql, stride, acc);
  }
  const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    total[t][0] = _mm256_add_epi32(total[t][0], _mm256_madd_epi16(acc[t][0], ones));
    total[t][1] = _mm256_add_epi32(total[t][1], _mm256_madd_epi16(acc[t][1], ones));
  }
}

__m256 finish(__m256i acc, std::int32_t sum, float scale) noexcept {
  return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(acc, _mm256_set1_epi32(sum))),
                       _mm256_set1_ps(scale));
}

void store_rows(float* y, const __m256i (&acc)[2], std::int32_t sum, float scale,
                std::int64_t rows) noexcept {
  const __m256 low = finish(acc[0], sum, scale);
  const __m256 high = finish(acc[1], sum, scale);
  if (rows >= kTernaryRowBlock) {
    _mm256_storeu_ps(y, low);
    _mm256_storeu_ps(y + 8, high);
    return;
  }
  float block[kTernaryRowBlock];
  _mm256_storeu_ps(block, low);
  _mm256_storeu_ps(block + 8, high);
  for (std::int64_t r = 0; r < rows; ++r) y[r] = block[r];
}

// One row block against T tokens.
template <int T>
void tile(const std::uint8_t* packed, std::int64_t lines, const QuantizedBatch& x, std::int64_t t0,
          float* y, std::int64_t y_stride, std::int64_t rows) noexcept {
  const std::int8_t* q = x.q + t0 * x.stride;
  __m256i total[T][2];
  for (int t = 0; t < T; ++t) total[t][0] = total[t][1] = _mm256_setzero_si256();
  for (std::int64_t line = 0; line < lines; line += kStripLines) {
    const std::int64_t left = lines - line;
    strip<T>(packed + line * kTernaryLineBytes, left < kStripLines ? left : kStripLines,
             q + line * kTernaryLineCols, x.stride, total);
  }
  for (int t = 0; t < T; ++t) {
    store_rows(y + t * y_stride, total[t], x.sums[t0 + t], x.scales[t0 + t], rows);
  }
}

void gemv(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  const std::int64_t lines = ternary_lines(w.cols);
  const std::uint8_t* packed = w.packed + begin / kTernaryRowBlock * lines * kTernaryLineBytes;
  for (std::int64_t row = begin; row < end; row += kTernaryRowBlock) {
    tile<1>(packed, lines, x, 0, y + row, 0, end - row);
    packed += lines * kTernaryLineBytes;
  }
}

// One row block against tokens [t0, t1). y points at the block's first row of token 0.
void row_block(const std::uint8_t* packed, std::int64_t lines, const QuantizedBatch& x,
               std::int64_t t0, std::int64_t t1, float* y, std::int64_t y_stride,
               std::int64_t rows) noexcept {
  while (t0 < t1) {
    const std::int64_t left = t1 - t0;
    float* out = y + t0 * y_stride;
    if (left >= 4) {
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

std::int64_t peak(std::int64_t rounds) noexcept {
  constexpr int kChains = 2 * kMaxTile;
  constexpr int kSteps = 4 * kStripLines;
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i codes = _mm256_set1_epi8(1);
  __m256i total = _mm256_setzero_si256();
  for (std::int64_t round = 0; round < rounds; ++round) {
    __m256i acc[kChains];
#pragma GCC unroll 8
    for (int c = 0; c < kChains; ++c) acc[c] = _mm256_setzero_si256();
    for (int step = 0; step < kSteps; ++step) {
      __m256i q = codes;
#pragma GCC unroll 8
      for (int c = 0; c < kChains; ++c) {
        asm("" : "+x"(q));  // a new value for all the compiler knows: nothing to hoist
        acc[c] = _mm256_add_epi16(acc[c], _mm256_maddubs_epi16(codes, q));
      }
    }
#pragma GCC unroll 8
    for (int c = 0; c < kChains; ++c) {
      total = _mm256_add_epi32(total, _mm256_madd_epi16(acc[c], ones));
    }
  }
  std::int32_t lanes[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), total);
  std::int64_t done = 0;
  for (const std::int32_t lane : lanes) done += static_cast<std::uint32_t>(lane);
  return done;
}

}  // namespace

constinit const TernaryKernels kTernary = {kTernaryRowBlock,
                                           scalar::ternary_packed_bytes,
                                           scalar::ternary_pack,
                                           scalar::ternary_unpack_row,
                                           gemv,
                                           gemm,
                                           peak};

}  // namespace tern::kernels::avx2
