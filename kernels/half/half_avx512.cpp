// The vectors of half_lanes.inl. Everything here has internal linkage or is an intrinsic (see
// check.h).

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands in its own header for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "kernels/half/half.h"
#include "kernels/half/layout.h"
#include "kernels/simd/reading.h"

namespace tern::kernels::avx512 {
namespace {

using Vec = __m512;
constexpr std::int64_t kLanes = 16;

struct F16 {
  using Element = std::uint16_t;
  static __m512 load(const Element* p) noexcept {
    return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
  }
};
struct Bf16 {
  using Element = std::uint16_t;
  static __m512 load(const Element* p) noexcept {
    const __m256i half = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
  }
};
struct F32 {
  using Element = float;
  static __m512 load(const Element* p) noexcept { return _mm512_load_ps(p); }
};

Vec fill(float x) noexcept { return _mm512_set1_ps(x); }
Vec fma(Vec a, Vec b, Vec c) noexcept { return _mm512_fmadd_ps(a, b, c); }
Vec mul(Vec a, Vec b) noexcept { return _mm512_mul_ps(a, b); }
void store(float* y, Vec value) noexcept { _mm512_storeu_ps(y, value); }

__mmask16 first_lanes(std::int64_t rows) noexcept {
  return static_cast<__mmask16>(rows >= kLanes ? 0xffffu : rows > 0 ? (1u << rows) - 1u : 0u);
}
Vec load_rows(const float* y, std::int64_t rows) noexcept {
  return _mm512_maskz_loadu_ps(first_lanes(rows), y);
}
void store_rows(float* y, Vec value, std::int64_t rows) noexcept {
  _mm512_mask_storeu_ps(y, first_lanes(rows), value);
}

struct Tile {
  int vectors, tokens;
};
constexpr Tile kTile{2, 12}, kTile6{4, 6}, kTile4{4, 4}, kTile2{4, 2}, kTile1{4, 1};

#include "kernels/half/half_lanes.inl"

}  // namespace

constinit const HalfKernels kHalf = kKernels<SideBySide>;
constinit const HalfKernels kHalfInTurn = kKernels<InTurn>;

}  // namespace tern::kernels::avx512
