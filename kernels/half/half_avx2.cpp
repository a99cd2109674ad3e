// The vectors of half_lanes.inl. Everything here has internal linkage or is an intrinsic (see
// check.h).

#include <immintrin.h>

#include "kernels/half/half.h"
#include "kernels/half/layout.h"
#include "kernels/simd/reading.h"

namespace tern::kernels::avx2 {
namespace {

using Vec = __m256;
constexpr std::int64_t kLanes = 8;

struct F16 {
  using Element = std::uint16_t;
  static __m256 load(const Element* p) noexcept {
    return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
  }
};
struct Bf16 {
  using Element = std::uint16_t;
  static __m256 load(const Element* p) noexcept {
    const __m128i half = _mm_load_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
  }
};
struct F32 {
  using Element = float;
  static __m256 load(const Element* p) noexcept { return _mm256_load_ps(p); }
};

Vec fill(float x) noexcept { return _mm256_set1_ps(x); }
Vec fma(Vec a, Vec b, Vec c) noexcept { return _mm256_fmadd_ps(a, b, c); }
Vec mul(Vec a, Vec b) noexcept { return _mm256_mul_ps(a, b); }
Vec load(const float* y) noexcept { return _mm256_loadu_ps(y); }
void store(float* y, Vec value) noexcept { _mm256_storeu_ps(y, value); }

#include "kernels/half/partial_rows.inl"

struct Tile {
  int vectors, tokens;
};
constexpr Tile kTile{2, 6}, kTile6{2, 6}, kTile4{2, 4}, kTile2{4, 2}, kTile1{8, 1};

#include "kernels/half/half_lanes.inl"

}  // namespace

constinit const HalfKernels kHalf = kKernels<InTurnToL2>;

}  // namespace tern::kernels::avx2
