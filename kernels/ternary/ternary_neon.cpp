// Without a dot product: SMLAL adds the products of eight codes and activations to int16, where a
// lane holds one column in four of a row. A product lies in [-256, 254], so 128 of them fit; SADALP
// then widens, and the lanes of a row are added at the very end. Everything here has internal
// linkage or is an intrinsic (see check.h).

#include <arm_neon.h>

#include <cstring>

#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::neon {
namespace {

#include "kernels/ternary/ternary_expand.inl"

constexpr int kTile = 3;  // 24 accumulators, four registers of codes and three of activations
constexpr int kTileStep = 1;
constexpr std::int64_t kWordBytes = 4;
constexpr std::int64_t kProducts = 128;  // that int16 holds

constexpr int kSideBySide = 1;
constexpr std::int64_t kStripLines = kProducts / 4;
constexpr std::int64_t kPrefetchLines = 32;

// Four neighbouring activations in every lane.
int8x16_t broadcast4(const std::int8_t* q) noexcept {
  std::int32_t word;
  std::memcpy(&word, q, sizeof word);
  return vreinterpretq_s8_s32(vdupq_n_s32(word));
}

// Four rows x four columns; acc[0] takes the first two rows, acc[1] the others.
void dot(int16x8_t* acc, int8x16_t codes, int8x16_t q) noexcept {
  acc[0] = vmlal_s8(acc[0], vget_low_s8(codes), vget_low_s8(q));
  acc[1] = vmlal_high_s8(acc[1], codes, q);
}

// The sums of 16 rows from acc[8], whose lanes are columns, to sums[16].
void add_rows(const int16x8_t* acc, std::int32_t* sums) noexcept {
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const int32x4_t rows = vpaddq_s32(vpaddlq_s16(acc[2 * k]), vpaddlq_s16(acc[2 * k + 1]));
    vst1q_s32(sums + 4 * k, vaddq_s32(vld1q_s32(sums + 4 * k), rows));
  }
}

template <int T>
void dot_tile(const std::uint8_t* codes, std::int64_t lines, const std::int8_t* words,
              std::int32_t (*sums)[kTernaryRowBlock]) noexcept {
  for (std::int64_t left = 4 * lines; left > 0; left -= kProducts) {
    int16x8_t acc[T][8];
#pragma GCC unroll 3
    for (auto& token : acc) {
#pragma GCC unroll 8
      for (int16x8_t& sum : token) sum = vdupq_n_s16(0);
    }
    const std::int64_t count = left < kProducts ? left : kProducts;
    for (std::int64_t i = 0; i < count; ++i, codes += kTernaryLineBytes, words += T * kWordBytes) {
      int8x16_t q[T];
#pragma GCC unroll 3
      for (int t = 0; t < T; ++t) q[t] = broadcast4(words + t * kWordBytes);
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        const int8x16_t c = vreinterpretq_s8_u8(vld1q_u8(codes + 16 * k));
#pragma GCC unroll 3
        for (int t = 0; t < T; ++t) dot(acc[t] + 2 * k, c, q[t]);
      }
    }
#pragma GCC unroll 3
    for (int t = 0; t < T; ++t) add_rows(acc[t], sums[t]);
  }
}

template <int B>
void dot_strip(const std::uint8_t* packed, std::int64_t, std::int64_t lines, std::int64_t ahead,
               const std::int8_t* q, std::int32_t (*sums)[kTernaryRowBlock]) noexcept {
  static_assert(B == kSideBySide);
  const uint8x16_t mask = vdupq_n_u8(3);
  int16x8_t acc[8];
#pragma GCC unroll 8
  for (int16x8_t& sum : acc) sum = vdupq_n_s16(0);
  for (std::int64_t i = 0; i < lines; ++i, packed += kTernaryLineBytes, q += kTernaryLineCols) {
    __builtin_prefetch(packed + ahead, 0, 2);
    const int8x16_t words[4] = {broadcast4(q), broadcast4(q + 4), broadcast4(q + 8),
                                broadcast4(q + 12)};
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const uint8x16_t v = vld1q_u8(packed + 16 * k);
      dot(acc + 2 * k, vreinterpretq_s8_u8(vandq_u8(v, mask)), words[0]);
      dot(acc + 2 * k, vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v, 2), mask)), words[1]);
      dot(acc + 2 * k, vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v, 4), mask)), words[2]);
      dot(acc + 2 * k, vreinterpretq_s8_u8(vshrq_n_u8(v, 6)), words[3]);
    }
  }
  add_rows(acc, sums[0]);
}

#include "kernels/ternary/ternary_tiles.inl"

std::int64_t peak(std::int64_t rounds) noexcept {
  constexpr int kChains = 16;
  volatile const std::int16_t opaque_zero = 0;  // the compiler would compute equal chains once
  const int8x16_t ones = vdupq_n_s8(1);
  int32x4_t total = vdupq_n_s32(0);
  for (std::int64_t round = 0; round < rounds; ++round) {
    int16x8_t acc[kChains];
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) acc[c] = vdupq_n_s16(opaque_zero);
    for (std::int64_t step = 0; step < kProducts; ++step) {
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
