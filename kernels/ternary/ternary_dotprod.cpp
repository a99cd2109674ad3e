// SDOT by lane: 4 rows x 4 columns of codes against the four activations in one lane, each lane
// those of another token. Everything here has internal linkage or is an intrinsic (see check.h).

#include <arm_neon.h>

#include <cstring>

#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::dotprod {
namespace {

#include "kernels/ternary/ternary_expand.inl"
#include "kernels/ternary/ternary_sdot.inl"

constexpr int kTile = 6;  // 24 accumulators, four registers of codes and two of activations
constexpr int kTileStep = 1;
constexpr std::int64_t kWordBytes = 4;

// The products of tokens t to T - 1; the activations of four tokens share a register.
template <int T, int t = 0>
void dot_tokens(const int8x16_t (&codes)[4], const int8x16_t (&q)[(T + 3) / 4],
                int32x4_t (&acc)[T][4]) noexcept {
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    acc[t][k] = vdotq_laneq_s32(acc[t][k], codes[k], q[t / 4], t % 4);
  }
  if constexpr (t + 1 < T) dot_tokens<T, t + 1>(codes, q, acc);
}

template <int T>
void dot_tile(const std::uint8_t* codes, std::int64_t lines, const std::int8_t* words,
              std::int32_t (*sums)[kTernaryRowBlock]) noexcept {
  int32x4_t acc[T][4];
#pragma GCC unroll 6
  for (auto& token : acc) token[0] = token[1] = token[2] = token[3] = vdupq_n_s32(0);
  for (std::int64_t i = 0; i < 4 * lines; ++i) {
    const std::int8_t* at = reinterpret_cast<const std::int8_t*>(codes) + i * kTernaryLineBytes;
    const int8x16_t c[4] = {vld1q_s8(at), vld1q_s8(at + 16), vld1q_s8(at + 32), vld1q_s8(at + 48)};
    int8x16_t q[(T + 3) / 4];
#pragma GCC unroll 2
    for (int k = 0; k < (T + 3) / 4; ++k) q[k] = vld1q_s8(words + i * T * kWordBytes + 16 * k);
    dot_tokens<T>(c, q, acc);
  }
#pragma GCC unroll 6
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      std::int32_t* sum = sums[t] + 4 * k;
      vst1q_s32(sum, vaddq_s32(vld1q_s32(sum), acc[t][k]));
    }
  }
}

#include "kernels/ternary/ternary_tiles.inl"

std::int64_t peak(std::int64_t rounds) noexcept {
  constexpr int kChains = 4 * kTile;
  volatile const std::int32_t opaque_zero = 0;  // the compiler would compute equal chains once
  int32x4_t acc[kChains];
#pragma GCC unroll 24
  for (int c = 0; c < kChains; ++c) acc[c] = vdupq_n_s32(opaque_zero);
  const int8x16_t ones = vdupq_n_s8(1);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int c = 0; c < kChains; ++c) acc[c] = vdotq_laneq_s32(acc[c], ones, ones, 0);
  }
  std::int64_t done = 0;
#pragma GCC unroll 24
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
