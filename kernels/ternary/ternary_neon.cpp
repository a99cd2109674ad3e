// Without a dot product: SMULL/SMLAL multiply a code by an activation into int16 (|product| <= 256,
// in
// [-256, 254], so int16 holds 128 of them: kStripLines lines of four), SADALP widens to int32.
// Everything here has internal linkage or is an intrinsic (see check.h).

#include <arm_neon.h>

#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::neon {
namespace {

constexpr std::int64_t kStripLines = 32;

// Activations of one group of tokens stay in L2 while all row blocks pass over them.
constexpr std::int64_t kGroupBytes = 128 * 1024;
constexpr std::int64_t kMaxTile = 2;

// Columns 4J to 4J+3 of rows 4I to 4I+3, a quarter line v shifted by 2J, for T tokens. acc[t][2I]
// takes rows 4I and 4I+1 (four columns each), acc[t][2I+1] the other two.
template <int I, int J, int T>
void step(uint8x16_t v, const int8x16_t (&q)[T], int16x8_t (&acc)[T][8]) noexcept {
  const int8x16_t c = vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(3)));
#pragma GCC unroll 2
  for (int t = 0; t < T; ++t) {
    const int8x16_t b = vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(q[t]), J));
    acc[t][2 * I] = vmlal_s8(acc[t][2 * I], vget_low_s8(c), vget_low_s8(b));
    acc[t][2 * I + 1] = vmlal_high_s8(acc[t][2 * I + 1], c, b);
  }
}

template <int I, int T>
void quarter(const std::uint8_t* line, const int8x16_t (&q)[T], int16x8_t (&acc)[T][8]) noexcept {
  const uint8x16_t v = vld1q_u8(line + 16 * I);
  step<I, 0, T>(v, q, acc);
  step<I, 1, T>(vshrq_n_u8(v, 2), q, acc);
  step<I, 2, T>(vshrq_n_u8(v, 4), q, acc);
  step<I, 3, T>(vshrq_n_u8(v, 6), q, acc);
}

// Adds at most kStripLines lines to the int32 totals, in which two neighbours make up one row.
template <int T>
void strip(const std::uint8_t* packed, std::int64_t lines, const std::int8_t* base,
           std::int64_t stride, int32x4_t (&total)[T][8]) noexcept {
  int16x8_t acc[T][8];
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) acc[t][i] = vdupq_n_s16(0);
  }
  for (std::int64_t line = 0; line < lines; ++line) {
    int8x16_t q[T];
#pragma GCC unroll 2
    for (int t = 0; t < T; ++t) q[t] = vld1q_s8(base + t * stride + line * kTernaryLineCols);
    const std::uint8_t* p = packed + line * kTernaryLineBytes;
    quarter<0, T>(p, q, acc);
    quarter<1, T>(p, q, acc);
    quarter<2, T>(p, q, acc);
    quarter<3, T>(p, q, acc);
  }
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) total[t][i] = vpadalq_s16(total[t][i], acc[t][i]);
  }
}

void store_rows(float* y, const int32x4_t (&acc)[8], std::int32_t sum, float scale,
                std::int64_t rows) noexcept {
  float block[kTernaryRowBlock];
  float* out = rows >= kTernaryRowBlock ? y : block;
  for (int i = 0; i < 4; ++i) {
    const int32x4_t row_sums = vpaddq_s32(acc[2 * i], acc[2 * i + 1]);
    const float32x4_t value = vcvtq_f32_s32(vsubq_s32(row_sums, vdupq_n_s32(sum)));
    vst1q_f32(out + 4 * i, vmulq_f32(value, vdupq_n_f32(scale)));
  }
  if (out == y) return;
  for (std::int64_t r = 0; r < rows; ++r) y[r] = block[r];
}

// One row block against T tokens.
template <int T>
void tile(const std::uint8_t* packed, std::int64_t lines, const QuantizedBatch& x, std::int64_t t0,
          float* y, std::int64_t y_stride, std::int64_t rows) noexcept {
  const std::int8_t* q = x.q + t0 * x.stride;
  int32x4_t total[T][8];
  for (int t = 0; t < T; ++t) {
    for (int i = 0; i < 8; ++i) total[t][i] = vdupq_n_s32(0);
  }
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
    if (left >= 2) {
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
  constexpr int kChains = 16;
  constexpr int kSteps = 4 * kStripLines;
  volatile const std::int16_t opaque_zero = 0;  // the compiler would compute equal chains once
  const int8x16_t ones = vdupq_n_s8(1);
  int32x4_t total = vdupq_n_s32(0);
  for (std::int64_t round = 0; round < rounds; ++round) {
    int16x8_t acc[kChains];
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) acc[c] = vdupq_n_s16(opaque_zero);
    for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 16
      for (int c = 0; c < kChains; c += 2) {
        acc[c] = vmlal_s8(acc[c], vget_low_s8(ones), vget_low_s8(ones));
        acc[c + 1] = vmlal_high_s8(acc[c + 1], ones, ones);
      }
    }
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) total = vpadalq_s16(total, acc[c]);
  }
  return static_cast<std::int64_t>(vaddlvq_u32(vreinterpretq_u32_s32(total)));
}

}  // namespace

constinit const TernaryKernels kTernary = {kTernaryRowBlock,
                                           scalar::ternary_packed_bytes,
                                           scalar::ternary_pack,
                                           scalar::ternary_unpack_row,
                                           gemv,
                                           gemm,
                                           peak};

}  // namespace tern::kernels::neon
