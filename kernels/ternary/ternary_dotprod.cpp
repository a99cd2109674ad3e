// SDOT by lane: a 16-byte quarter line is 4 rows x 4 columns of codes, lane j of the 16 activations
// of a line holds their columns 4j to 4j+3, so a lane of the result is a row. Everything here has
// internal linkage or is an intrinsic (see check.h).

#include <arm_neon.h>

#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::dotprod {
namespace {

// Activations of one group of tokens stay in L2 while all row blocks pass over them.
constexpr std::int64_t kGroupBytes = 128 * 1024;
constexpr std::int64_t kMaxTile = 4;

// Rows 4I to 4I+3 of one line for T tokens.
template <int I, int T>
void quarter(const std::uint8_t* line, const int8x16_t (&q)[T], int32x4_t (&acc)[T][4]) noexcept {
  const uint8x16_t mask = vdupq_n_u8(3);
  const uint8x16_t v = vld1q_u8(line + 16 * I);
  const int8x16_t c0 = vreinterpretq_s8_u8(vandq_u8(v, mask));
  const int8x16_t c1 = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v, 2), mask));
  const int8x16_t c2 = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v, 4), mask));
  const int8x16_t c3 = vreinterpretq_s8_u8(vshrq_n_u8(v, 6));
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    acc[t][I] = vdotq_laneq_s32(acc[t][I], c0, q[t], 0);
    acc[t][I] = vdotq_laneq_s32(acc[t][I], c1, q[t], 1);
    acc[t][I] = vdotq_laneq_s32(acc[t][I], c2, q[t], 2);
    acc[t][I] = vdotq_laneq_s32(acc[t][I], c3, q[t], 3);
  }
}

void store_rows(float* y, const int32x4_t (&acc)[4], std::int32_t sum, float scale,
                std::int64_t rows) noexcept {
  float block[kTernaryRowBlock];
  float* out = rows >= kTernaryRowBlock ? y : block;
  for (int i = 0; i < 4; ++i) {
    const float32x4_t value = vcvtq_f32_s32(vsubq_s32(acc[i], vdupq_n_s32(sum)));
    vst1q_f32(out + 4 * i, vmulq_f32(value, vdupq_n_f32(scale)));
  }
  if (out == y) return;
  for (std::int64_t r = 0; r < rows; ++r) y[r] = block[r];
}

// One row block against T tokens.
template <int T>
void tile(const std::uint8_t* packed, std::int64_t lines, const QuantizedBatch& x, std::int64_t t0,
          float* y, std::int64_t y_stride, std::int64_t rows) noexcept {
  const std::int8_t* base = x.q + t0 * x.stride;
  int32x4_t acc[T][4];
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    acc[t][0] = acc[t][1] = acc[t][2] = acc[t][3] = vdupq_n_s32(0);
  }
  for (std::int64_t line = 0; line < lines; ++line) {
    int8x16_t q[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) q[t] = vld1q_s8(base + t * x.stride + line * kTernaryLineCols);
    const std::uint8_t* p = packed + line * kTernaryLineBytes;
    quarter<0, T>(p, q, acc);
    quarter<1, T>(p, q, acc);
    quarter<2, T>(p, q, acc);
    quarter<3, T>(p, q, acc);
  }
  for (int t = 0; t < T; ++t) {
    store_rows(y + t * y_stride, acc[t], x.sums[t0 + t], x.scales[t0 + t], rows);
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
  constexpr int kChains = 4 * kMaxTile;
  volatile const std::int32_t opaque_zero = 0;  // the compiler would compute equal chains once
  int32x4_t acc[kChains];
#pragma GCC unroll 16
  for (int c = 0; c < kChains; ++c) acc[c] = vdupq_n_s32(opaque_zero);
  const int8x16_t ones = vdupq_n_s8(1);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) acc[c] = vdotq_laneq_s32(acc[c], ones, ones, 0);
  }
  std::int64_t done = 0;
#pragma GCC unroll 16
  for (int c = 0; c < kChains; ++c) done += vaddlvq_s32(acc[c]);
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

}  // namespace tern::kernels::dotprod
