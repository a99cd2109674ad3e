// VPMADDUBSW on half lines: 8 rows x 4 columns of unsigned codes against four signed activations
// broadcast to every lane. The sum of a pair of columns lies in [-512, 508], so int16 holds 64 of
// them; VPMADDWD with ones then widens to one int32 per row. Everything here has internal linkage
// or is an intrinsic (see check.h).

#include <immintrin.h>

#include <cstring>

#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::avx2 {
namespace {

#include "kernels/ternary/ternary_ymm.inl"

constexpr std::int64_t kPairSums = 64;  // that int16 holds
constexpr std::int64_t kStripLines = 8;
constexpr int kSideBySide = 2;

// acc += the pair sums of codes * q. Written as instructions that work in place: g++ 12 moves
// registers around the intrinsics.
void dot(__m256i& acc, __m256i codes, __m256i q) noexcept {
  __m256i pairs;
  asm("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(acc), "=&x"(pairs) : "x"(codes), "x"(q));
}

__m256i widen(__m256i pairs) noexcept { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }

template <int T>
void dot_tile(const std::uint8_t* codes, std::int64_t lines, const std::int8_t* words,
              std::int32_t (*sums)[kTernaryRowBlock]) noexcept {
  for (std::int64_t left = 4 * lines; left > 0; left -= kPairSums) {
    __m256i acc[T][2];
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t) acc[t][0] = acc[t][1] = _mm256_setzero_si256();
    const std::int64_t count = left < kPairSums ? left : kPairSums;
    for (std::int64_t i = 0; i < count; ++i, codes += kTernaryLineBytes, words += T * kWordBytes) {
      const __m256i low = load(codes);
      const __m256i high = load(codes + 32);
#pragma GCC unroll 6
      for (int t = 0; t < T; ++t) {
        const __m256i q = broadcast4(words + t * kWordBytes);
        dot(acc[t][0], low, q);
        dot(acc[t][1], high, q);
      }
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t) {
      add_to(sums[t], widen(acc[t][0]));
      add_to(sums[t] + 8, widen(acc[t][1]));
    }
  }
}

#include "kernels/ternary/ternary_ymm_strip.inl"

#include "kernels/ternary/ternary_tiles.inl"

std::int64_t peak(std::int64_t rounds) noexcept {
  constexpr int kChains = 2 * kTile;
  const __m256i ones = _mm256_set1_epi8(1);
  __m256i total = _mm256_setzero_si256();
  for (std::int64_t round = 0; round < rounds; ++round) {
    __m256i acc[kChains];
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) acc[c] = _mm256_setzero_si256();
    for (std::int64_t step = 0; step < kPairSums; ++step) {
#pragma GCC unroll 12
      for (int c = 0; c < kChains; ++c) {
        __m256i pairs;
        asm volatile("vpmaddubsw %2, %2, %1\n\tvpaddw %1, %0, %0"
                     : "+x"(acc[c]), "=&x"(pairs)
                     : "x"(ones));
      }
    }
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) total = _mm256_add_epi32(total, widen(acc[c]));
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
