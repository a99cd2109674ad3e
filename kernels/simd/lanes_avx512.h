#pragma once
// Sixteen virtual lanes of binary32 as one ZMM register: the vocabulary of the *_lanes.inl
// algorithms. lanes_avx2.h and lanes_neon.h give the same names the same meaning, bit for bit.
// Everything is static (see check.h). `count` is a number of lanes in [0, 16].

// g++ 12 takes the deliberately undefined pass-through operands in its own header for mistakes
// (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif

#include <cstddef>
#include <cstdint>

namespace tern::kernels::avx512 {

struct F32x16 {
  __m512 v;
};
struct I32x16 {
  __m512i v;
};
struct U64x8 {
  __m512i v;
};

// How many keys `scores` and how many output vectors `weighted_sum` keep in registers: enough
// chains to hide the latency of fma, few enough for 32 registers.
constexpr int kKeysInFlight = 8;
constexpr int kVectorsInFlight = 8;
// The same for several queries: queries by keys and queries by output vectors of one tile.
constexpr int kTileQueries = 6;
constexpr int kTileKeys = 4;
constexpr int kTileVectors = 4;

static inline __mmask16 first(std::int64_t count) {
  return static_cast<__mmask16>((1u << count) - 1u);
}

static inline F32x16 fill(float value) { return {_mm512_set1_ps(value)}; }
static inline F32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
static inline void store(float* p, F32x16 a) { _mm512_storeu_ps(p, a.v); }

// Lanes from `count` on get `missing`; memory behind the last lane is not touched.
static inline F32x16 load_partial(const float* p, std::int64_t count, float missing) {
  return {_mm512_mask_loadu_ps(_mm512_set1_ps(missing), first(count), p)};
}
static inline void store_partial(float* p, std::int64_t count, F32x16 a) {
  _mm512_mask_storeu_ps(p, first(count), a.v);
}

// Binary16 in memory. Missing lanes are +0.
static inline F32x16 load(const std::uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
static inline F32x16 load_partial(const std::uint16_t* p, std::int64_t count) {
  return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(count), p))};
}
static inline F32x16 load_partial(const float* p, std::int64_t count) {
  return {_mm512_maskz_loadu_ps(first(count), p)};
}
static inline __m256i to_f16_bits(F32x16 a) {
  return _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline void store_f16(std::uint16_t* p, F32x16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_f16_bits(a));
}
static inline void store_f16_partial(std::uint16_t* p, std::int64_t count, F32x16 a) {
  _mm256_mask_storeu_epi16(p, first(count), to_f16_bits(a));
}

static inline F32x16 add(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
static inline F32x16 sub(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
static inline F32x16 mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
static inline F32x16 div(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
// a * b + c, rounded once.
static inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// a > b ? a : b.
static inline F32x16 max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
static inline F32x16 abs(F32x16 a) { return {_mm512_abs_ps(a.v)}; }
// a < b ? yes : no.
static inline F32x16 where_less(F32x16 a, F32x16 b, F32x16 yes, F32x16 no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
}
// 2^n, where n is the integer in the low bits of a (see kRoundMagic).
static inline F32x16 power_of_two(F32x16 a) {
  const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(a.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(n, _mm512_set1_epi32(0x3f800000)))};
}

// (x0 y0 x1 y1 ...) in a, b <-> x and y.
static inline void unzip(F32x16 a, F32x16 b, F32x16* x, F32x16* y) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  x->v = _mm512_permutex2var_ps(a.v, even, b.v);
  y->v = _mm512_permutex2var_ps(a.v, odd, b.v);
}
static inline void zip(F32x16 x, F32x16 y, F32x16* a, F32x16* b) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high =
      _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  a->v = _mm512_permutex2var_ps(x.v, low, y.v);
  b->v = _mm512_permutex2var_ps(x.v, high, y.v);
}

// The tree of vector.h down to 4 lanes: +8, +4.
static inline __m128 merge_to_4(F32x16 a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}
// The rest of the tree: +2, +1.
static inline float merge(F32x16 a) {
  const __m128 four = merge_to_4(a);
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
// (a + its other half, b + its other half), 8 lanes of each.
static inline __m512 merge_halves(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_mask_blend_ps(0xff00, a, b), _mm512_shuffle_f32x4(a, b, 0x4e));
}
// out[i] = merge(a[i]) * factor for four vectors at once: the tree's steps on shared registers.
static inline void merge_4_scaled(const F32x16* a, float factor, float* out) {
  // +8: one half of the register for each vector of a pair.
  const __m512 ab = merge_halves(a[0].v, a[1].v);
  const __m512 cd = merge_halves(a[2].v, a[3].v);
  // +4: one quarter each, in the order a, c, b, d.
  const __m512i crossed =
      _mm512_setr_epi32(4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 24, 25, 26, 27);
  const __m512 four =
      _mm512_add_ps(_mm512_mask_blend_ps(0xf0f0, ab, cd), _mm512_permutex2var_ps(ab, crossed, cd));
  // +2, +1
  const __m512 two = _mm512_add_ps(four, _mm512_permute_ps(four, 0x4e));
  const __m512 one = _mm512_add_ps(two, _mm512_permute_ps(two, 0xb1));
  const __m512i order = _mm512_setr_epi32(0, 8, 4, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m128 sums = _mm512_castps512_ps128(_mm512_permutexvar_ps(order, one));
  _mm_storeu_ps(out, _mm_mul_ps(sums, _mm_set1_ps(factor)));
}
// The largest lane.
static inline float largest_lane(F32x16 a) { return _mm512_reduce_max_ps(a.v); }

static inline I32x16 fill_i32(std::int32_t value) { return {_mm512_set1_epi32(value)}; }
static inline I32x16 add(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
// Round to nearest even, then clamp to [-128, 127].
static inline I32x16 to_int8_range(F32x16 a) {
  const __m512i rounded = _mm512_cvtps_epi32(a.v);
  return {
      _mm512_max_epi32(_mm512_min_epi32(rounded, _mm512_set1_epi32(127)), _mm512_set1_epi32(-128))};
}
// Sixteen bytes, each lane in [-128, 127].
static inline void store_int8(std::int8_t* p, I32x16 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}
static inline std::int32_t merge(I32x16 a) { return _mm512_reduce_add_epi32(a.v); }

static inline U64x8 zero_u64() { return {_mm512_setzero_si512()}; }
static inline U64x8 add(U64x8 a, U64x8 b) { return {_mm512_add_epi64(a.v, b.v)}; }
// 64 aligned bytes.
static inline U64x8 load_u64(const unsigned char* p) { return {_mm512_load_si512(p)}; }
// In halves: g++ 12 writes _mm512_reduce_add_epi64 as a signed sum, whose wrapping UBSan rejects.
static inline std::uint64_t merge(U64x8 a) {
  const __m256i four =
      _mm256_add_epi64(_mm512_castsi512_si256(a.v), _mm512_extracti64x4_epi64(a.v, 1));
  const __m128i two =
      _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(two)) +
         static_cast<std::uint64_t>(_mm_extract_epi64(two, 1));
}

}  // namespace tern::kernels::avx512
