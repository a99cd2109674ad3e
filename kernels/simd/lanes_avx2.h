#pragma once
// Sixteen virtual lanes of binary32 as two YMM registers; needs AVX2, FMA and F16C. The same
// vocabulary as lanes_avx512.h, bit for bit. Everything is static (see check.h). `count` is in [0,
// 16].

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace tern::kernels::avx2 {

struct F32x16 {
  __m256 low, high;
};
struct I32x16 {
  __m256i low, high;
};
struct U64x8 {
  __m256i low, high;
};

constexpr int kKeysInFlight = 4;
constexpr int kVectorsInFlight = 4;
constexpr int kTileQueries = 2;
constexpr int kTileKeys = 2;
constexpr int kTileVectors = 2;

// All ones in the lanes of one register that are below count; count may lie outside [0, 8].
static inline __m256i first(std::int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<std::int32_t>(count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline F32x16 fill(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
static inline F32x16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
static inline void store(float* p, F32x16 a) {
  _mm256_storeu_ps(p, a.low);
  _mm256_storeu_ps(p + 8, a.high);
}

// Lanes from `count` on are +0 or `missing`; memory behind the last lane is not touched.
static inline F32x16 load_partial(const float* p, std::int64_t count) {
  return {_mm256_maskload_ps(p, first(count)), _mm256_maskload_ps(p + 8, first(count - 8))};
}
static inline F32x16 load_partial(const float* p, std::int64_t count, float missing) {
  const F32x16 a = load_partial(p, count);
  const __m256 m = _mm256_set1_ps(missing);
  return {_mm256_blendv_ps(m, a.low, _mm256_castsi256_ps(first(count))),
          _mm256_blendv_ps(m, a.high, _mm256_castsi256_ps(first(count - 8)))};
}
static inline void store_partial(float* p, std::int64_t count, F32x16 a) {
  _mm256_maskstore_ps(p, first(count), a.low);
  _mm256_maskstore_ps(p + 8, first(count - 8), a.high);
}

// Binary16 in memory. Missing lanes are +0.
static inline F32x16 load(const std::uint16_t* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
          _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
}
static inline F32x16 load_partial(const std::uint16_t* p, std::int64_t count) {
  std::uint16_t lanes[16] = {};
  for (std::int64_t i = 0; i < count; ++i) lanes[i] = p[i];
  return load(lanes);
}
static inline void store_f16(std::uint16_t* p, F32x16 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm256_cvtps_ph(a.low, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8),
                   _mm256_cvtps_ph(a.high, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline void store_f16_partial(std::uint16_t* p, std::int64_t count, F32x16 a) {
  std::uint16_t lanes[16];
  store_f16(lanes, a);
  for (std::int64_t i = 0; i < count; ++i) p[i] = lanes[i];
}

static inline F32x16 add(F32x16 a, F32x16 b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
static inline F32x16 sub(F32x16 a, F32x16 b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
static inline F32x16 mul(F32x16 a, F32x16 b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
static inline F32x16 div(F32x16 a, F32x16 b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
// a * b + c, rounded once.
static inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
// a > b ? a : b.
static inline F32x16 max(F32x16 a, F32x16 b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
static inline F32x16 abs(F32x16 a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)};
}
// a < b ? yes : no.
static inline F32x16 where_less(F32x16 a, F32x16 b, F32x16 yes, F32x16 no) {
  return {_mm256_blendv_ps(no.low, yes.low, _mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.high, yes.high, _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ))};
}
// 2^n, where n is the integer in the low bits of a (see kRoundMagic).
static inline __m256 power_of_two(__m256 a) {
  const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(a), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(n, _mm256_set1_epi32(0x3f800000)));
}
static inline F32x16 power_of_two(F32x16 a) { return {power_of_two(a.low), power_of_two(a.high)}; }

// Even and odd elements of the sixteen in a, b.
static inline void unzip(__m256 a, __m256 b, __m256* x, __m256* y) {
  const __m256 low = _mm256_permute2f128_ps(a, b, 0x20);
  const __m256 high = _mm256_permute2f128_ps(a, b, 0x31);
  *x = _mm256_shuffle_ps(low, high, 0x88);
  *y = _mm256_shuffle_ps(low, high, 0xdd);
}
static inline void zip(__m256 x, __m256 y, __m256* a, __m256* b) {
  const __m256 low = _mm256_unpacklo_ps(x, y);
  const __m256 high = _mm256_unpackhi_ps(x, y);
  *a = _mm256_permute2f128_ps(low, high, 0x20);
  *b = _mm256_permute2f128_ps(low, high, 0x31);
}
// (x0 y0 x1 y1 ...) in a, b <-> x and y.
static inline void unzip(F32x16 a, F32x16 b, F32x16* x, F32x16* y) {
  unzip(a.low, a.high, &x->low, &y->low);
  unzip(b.low, b.high, &x->high, &y->high);
}
static inline void zip(F32x16 x, F32x16 y, F32x16* a, F32x16* b) {
  zip(x.low, y.low, &a->low, &a->high);
  zip(x.high, y.high, &b->low, &b->high);
}

// The tree of vector.h down to 4 lanes: +8, +4.
static inline __m128 merge_to_4(F32x16 a) {
  const __m256 eight = _mm256_add_ps(a.low, a.high);
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}
// The rest of the tree: +2, +1.
static inline float merge(F32x16 a) {
  const __m128 four = merge_to_4(a);
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
// out[i] = merge(a[i]) * factor for four vectors at once: the tree's last steps on a transposed
// square.
static inline void merge_4_scaled(const F32x16* a, float factor, float* out) {
  __m128 r0 = merge_to_4(a[0]);
  __m128 r1 = merge_to_4(a[1]);
  __m128 r2 = merge_to_4(a[2]);
  __m128 r3 = merge_to_4(a[3]);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  const __m128 sums = _mm_add_ps(_mm_add_ps(r0, r2), _mm_add_ps(r1, r3));
  _mm_storeu_ps(out, _mm_mul_ps(sums, _mm_set1_ps(factor)));
}
// The largest lane.
static inline float largest_lane(F32x16 a) {
  const __m256 eight = _mm256_max_ps(a.low, a.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline I32x16 fill_i32(std::int32_t value) {
  return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
}
static inline I32x16 add(I32x16 a, I32x16 b) {
  return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
static inline __m256i to_int8_range(__m256 a) {
  return _mm256_max_epi32(_mm256_min_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127)),
                          _mm256_set1_epi32(-128));
}
// Round to nearest even, then clamp to [-128, 127].
static inline I32x16 to_int8_range(F32x16 a) {
  return {to_int8_range(a.low), to_int8_range(a.high)};
}
// Sixteen bytes, each lane in [-128, 127].
static inline void store_int8(std::int8_t* p, I32x16 a) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.low, a.high), 0xd8);
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(p),
      _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
static inline std::int32_t merge(I32x16 a) {
  const __m256i eight = _mm256_add_epi32(a.low, a.high);
  const __m128i four =
      _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

static inline U64x8 zero_u64() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
static inline U64x8 add(U64x8 a, U64x8 b) {
  return {_mm256_add_epi64(a.low, b.low), _mm256_add_epi64(a.high, b.high)};
}
// 64 aligned bytes.
static inline U64x8 load_u64(const unsigned char* p) {
  return {_mm256_load_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_load_si256(reinterpret_cast<const __m256i*>(p + 32))};
}
static inline std::uint64_t merge(U64x8 a) {
  const __m256i four = _mm256_add_epi64(a.low, a.high);
  const __m128i two =
      _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(two)) +
         static_cast<std::uint64_t>(_mm_extract_epi64(two, 1));
}

}  // namespace tern::kernels::avx2
