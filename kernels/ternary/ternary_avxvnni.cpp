// VPDPBUSD (VEX-encoded) on half lines: 8 rows x 4 columns of unsigned codes against four signed
// activations broadcast to every lane, summed to one int32 per row. Everything here has internal
// linkage or is an intrinsic (see check.h).

#include <immintrin.h>

#include <cstring>

#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::avxvnni {
namespace {

#include "kernels/ternary/ternary_ymm.inl"

constexpr std::int64_t kStripLines = 4096;
constexpr int kSideBySide = 4;

// acc += codes * q. Written as one instruction with its accumulator in place: g++ 12 copies and
// spills the accumulators of the intrinsic.
void dot(__m256i& acc, __m256i codes, __m256i q) noexcept {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(codes), "x"(q));
}

__m256i widen(__m256i sums) noexcept { return sums; }  // int32 already

// A narrow tile gets up to four sets of accumulators, taken in turn: two additions start in each
// cycle and take five.
template <int T>
constexpr int kSets = T == 1   ? 4
                      : T <= 3 ? 2
                               : 1;

template <int T>
void dot_tile(const std::uint8_t* codes, std::int64_t lines, const std::int8_t* words,
              std::int32_t (*sums)[kTernaryRowBlock]) noexcept {
  __m256i acc[kSets<T>][T][2];
#pragma GCC unroll 4
  for (auto& set : acc) {
#pragma GCC unroll 6
    for (auto& token : set) token[0] = token[1] = _mm256_setzero_si256();
  }
  for (std::int64_t i = 0; i < 4 * lines; i += kSets<T>) {
#pragma GCC unroll 4
    for (auto& set : acc) {
      const __m256i low = load(codes);
      const __m256i high = load(codes + 32);
#pragma GCC unroll 6
      for (int t = 0; t < T; ++t) {
        const __m256i q = broadcast4(words + t * kWordBytes);
        dot(set[t][0], low, q);
        dot(set[t][1], high, q);
      }
      codes += kTernaryLineBytes;
      words += T * kWordBytes;
    }
  }
#pragma GCC unroll 4
  for (const auto& set : acc) {
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t) {
      add_to(sums[t], set[t][0]);
      add_to(sums[t] + 8, set[t][1]);
    }
  }
}

#include "kernels/ternary/ternary_ymm_strip.inl"

#include "kernels/ternary/ternary_tiles.inl"

std::int64_t peak(std::int64_t rounds) noexcept {
  constexpr int kChains = 2 * kTile;
  __m256i acc[kChains];
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) acc[c] = _mm256_setzero_si256();
  const __m256i ones = _mm256_set1_epi8(1);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {
      asm volatile("%{vex%} vpdpbusd %1, %1, %0" : "+x"(acc[c]) : "x"(ones));
    }
  }
  std::int64_t done = 0;
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) {
    std::int32_t lanes[8];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), acc[c]);
    for (const std::int32_t lane : lanes) done += lane;
  }
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

}  // namespace tern::kernels::avxvnni
