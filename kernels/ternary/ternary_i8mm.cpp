// SMMLA: 2 rows x 8 columns of codes against 2 tokens x 8 columns of activations. Two words of a
// row of layout t2, four columns each, become neighbours when its lines are expanded. Everything
// here has internal linkage or is an intrinsic (see check.h).

#include <arm_neon.h>

#include <cstring>

#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::i8mm {
namespace {

#include "kernels/ternary/ternary_sdot.inl"

constexpr int kTile = 6;  // 24 accumulators, three registers of activations, the rest for codes
constexpr int kTileStep = 2;
constexpr std::int64_t kWordBytes = 8;
constexpr std::int64_t kExpandedLineBytes = 4 * kTernaryLineBytes;
constexpr std::int64_t kStepBytes = 8 * 16;  // 8 columns of 16 rows

// Columns 0 to 7 of a line, then 8 to 15; two rows to a register.
void expand(const std::uint8_t* packed, std::int64_t lines, std::int64_t ahead,
            std::uint8_t* codes) noexcept {
  const uint8x16_t mask = vdupq_n_u8(3);
  for (std::int64_t i = 0; i < lines; ++i, codes += kExpandedLineBytes) {
    __builtin_prefetch(packed + ahead, 0, 2);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k, packed += 16) {
      const uint8x16_t v = vld1q_u8(packed);
      const uint32x4_t c0 = vreinterpretq_u32_u8(vandq_u8(v, mask));
      const uint32x4_t c1 = vreinterpretq_u32_u8(vandq_u8(vshrq_n_u8(v, 2), mask));
      const uint32x4_t c2 = vreinterpretq_u32_u8(vandq_u8(vshrq_n_u8(v, 4), mask));
      const uint32x4_t c3 = vreinterpretq_u32_u8(vshrq_n_u8(v, 6));
      std::uint8_t* out = codes + 32 * k;
      vst1q_u8(out, vreinterpretq_u8_u32(vzip1q_u32(c0, c1)));
      vst1q_u8(out + 16, vreinterpretq_u8_u32(vzip2q_u32(c0, c1)));
      vst1q_u8(out + kStepBytes, vreinterpretq_u8_u32(vzip1q_u32(c2, c3)));
      vst1q_u8(out + kStepBytes + 16, vreinterpretq_u8_u32(vzip2q_u32(c2, c3)));
    }
  }
}

// acc[p][k]: rows 2k and 2k + 1 of tokens 2p and 2p + 1, the token changing first.
template <int T>
void dot_tile(const std::uint8_t* codes, std::int64_t lines, const std::int8_t* words,
              std::int32_t (*sums)[kTernaryRowBlock]) noexcept {
  constexpr int kPairs = T / 2;
  int32x4_t acc[kPairs][8];
#pragma GCC unroll 3
  for (auto& pair : acc) {
#pragma GCC unroll 8
    for (int32x4_t& sum : pair) sum = vdupq_n_s32(0);
  }
  for (std::int64_t i = 0; i < 2 * lines; ++i) {
    const std::int8_t* at = reinterpret_cast<const std::int8_t*>(codes) + i * kStepBytes;
    int8x16_t q[kPairs];
#pragma GCC unroll 3
    for (int p = 0; p < kPairs; ++p) q[p] = vld1q_s8(words + i * T * kWordBytes + 16 * p);
#pragma GCC unroll 8
    for (int k = 0; k < 8; ++k) {
      // Without it the compiler loads all codes first, for which there are no registers.
      if (k % 4 == 0) asm volatile("" ::: "memory");
      const int8x16_t c = vld1q_s8(at + 16 * k);
#pragma GCC unroll 3
      for (int p = 0; p < kPairs; ++p) acc[p][k] = vmmlaq_s32(acc[p][k], c, q[p]);
    }
  }
#pragma GCC unroll 3
  for (int p = 0; p < kPairs; ++p) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const int32x4_t low = acc[p][2 * k];
      const int32x4_t high = acc[p][2 * k + 1];
      std::int32_t* even = sums[2 * p] + 4 * k;
      std::int32_t* odd = sums[2 * p + 1] + 4 * k;
      vst1q_s32(even, vaddq_s32(vld1q_s32(even), vuzp1q_s32(low, high)));
      vst1q_s32(odd, vaddq_s32(vld1q_s32(odd), vuzp2q_s32(low, high)));
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
    for (int c = 0; c < kChains; ++c) acc[c] = vmmlaq_s32(acc[c], ones, ones);
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

}  // namespace tern::kernels::i8mm
