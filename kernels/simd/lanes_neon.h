#pragma once
// Sixteen virtual lanes of binary32 as four Q registers (ARMv8-A Advanced SIMD). The same
// vocabulary as lanes_avx512.h, bit for bit. Everything is static (see check.h). `count` is in [0,
// 16].

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace tern::kernels::neon {

struct F32x16 {
  float32x4_t q[4];
};
struct I32x16 {
  int32x4_t q[4];
};
struct U64x8 {
  uint64x2_t q[4];
};

constexpr int kKeysInFlight = 4;
constexpr int kVectorsInFlight = 4;
constexpr int kTileQueries = 2;
constexpr int kTileKeys = 2;
constexpr int kTileVectors = 2;

static inline F32x16 fill(float value) {
  const float32x4_t v = vdupq_n_f32(value);
  return {{v, v, v, v}};
}
static inline F32x16 load(const float* p) {
  return {{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}
static inline void store(float* p, F32x16 a) {
  vst1q_f32(p, a.q[0]);
  vst1q_f32(p + 4, a.q[1]);
  vst1q_f32(p + 8, a.q[2]);
  vst1q_f32(p + 12, a.q[3]);
}

// Lanes from `count` on get `missing`; memory behind the last lane is not touched.
static inline F32x16 load_partial(const float* p, std::int64_t count, float missing) {
  float lanes[16];
  for (std::int64_t i = 0; i < 16; ++i) lanes[i] = i < count ? p[i] : missing;
  return load(lanes);
}
static inline F32x16 load_partial(const float* p, std::int64_t count) {
  return load_partial(p, count, 0.0f);
}
static inline void store_partial(float* p, std::int64_t count, F32x16 a) {
  float lanes[16];
  store(lanes, a);
  for (std::int64_t i = 0; i < count; ++i) p[i] = lanes[i];
}

// Binary16 in memory. Missing lanes are +0.
static inline float32x4_t load_4_f16(const std::uint16_t* p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
static inline F32x16 load(const std::uint16_t* p) {
  return {{load_4_f16(p), load_4_f16(p + 4), load_4_f16(p + 8), load_4_f16(p + 12)}};
}
static inline F32x16 load_partial(const std::uint16_t* p, std::int64_t count) {
  std::uint16_t lanes[16] = {};
  for (std::int64_t i = 0; i < count; ++i) lanes[i] = p[i];
  return load(lanes);
}
static inline void store_f16(std::uint16_t* p, F32x16 a) {
  for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.q[i])));
}
static inline void store_f16_partial(std::uint16_t* p, std::int64_t count, F32x16 a) {
  std::uint16_t lanes[16];
  store_f16(lanes, a);
  for (std::int64_t i = 0; i < count; ++i) p[i] = lanes[i];
}

static inline F32x16 add(F32x16 a, F32x16 b) {
  for (int i = 0; i < 4; ++i) a.q[i] = vaddq_f32(a.q[i], b.q[i]);
  return a;
}
static inline F32x16 sub(F32x16 a, F32x16 b) {
  for (int i = 0; i < 4; ++i) a.q[i] = vsubq_f32(a.q[i], b.q[i]);
  return a;
}
static inline F32x16 mul(F32x16 a, F32x16 b) {
  for (int i = 0; i < 4; ++i) a.q[i] = vmulq_f32(a.q[i], b.q[i]);
  return a;
}
static inline F32x16 div(F32x16 a, F32x16 b) {
  for (int i = 0; i < 4; ++i) a.q[i] = vdivq_f32(a.q[i], b.q[i]);
  return a;
}
// a * b + c, rounded once.
static inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  for (int i = 0; i < 4; ++i) c.q[i] = vfmaq_f32(c.q[i], a.q[i], b.q[i]);
  return c;
}
// a > b ? a : b, as a selection: FMAX treats zeros and NaNs differently.
static inline float32x4_t max(float32x4_t a, float32x4_t b) {
  return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline F32x16 max(F32x16 a, F32x16 b) {
  for (int i = 0; i < 4; ++i) a.q[i] = max(a.q[i], b.q[i]);
  return a;
}
static inline F32x16 abs(F32x16 a) {
  for (int i = 0; i < 4; ++i) a.q[i] = vabsq_f32(a.q[i]);
  return a;
}
// a < b ? yes : no.
static inline F32x16 where_less(F32x16 a, F32x16 b, F32x16 yes, F32x16 no) {
  for (int i = 0; i < 4; ++i) a.q[i] = vbslq_f32(vcltq_f32(a.q[i], b.q[i]), yes.q[i], no.q[i]);
  return a;
}
// 2^n, where n is the integer in the low bits of a (see kRoundMagic).
static inline F32x16 power_of_two(F32x16 a) {
  for (int i = 0; i < 4; ++i) {
    const uint32x4_t n = vshlq_n_u32(vreinterpretq_u32_f32(a.q[i]), 23);
    a.q[i] = vreinterpretq_f32_u32(vaddq_u32(n, vdupq_n_u32(0x3f800000u)));
  }
  return a;
}

// (x0 y0 x1 y1 ...) in a, b <-> x and y.
static inline void unzip(F32x16 a, F32x16 b, F32x16* x, F32x16* y) {
  for (int i = 0; i < 2; ++i) {
    x->q[i] = vuzp1q_f32(a.q[2 * i], a.q[2 * i + 1]);
    y->q[i] = vuzp2q_f32(a.q[2 * i], a.q[2 * i + 1]);
    x->q[i + 2] = vuzp1q_f32(b.q[2 * i], b.q[2 * i + 1]);
    y->q[i + 2] = vuzp2q_f32(b.q[2 * i], b.q[2 * i + 1]);
  }
}
static inline void zip(F32x16 x, F32x16 y, F32x16* a, F32x16* b) {
  for (int i = 0; i < 2; ++i) {
    a->q[2 * i] = vzip1q_f32(x.q[i], y.q[i]);
    a->q[2 * i + 1] = vzip2q_f32(x.q[i], y.q[i]);
    b->q[2 * i] = vzip1q_f32(x.q[i + 2], y.q[i + 2]);
    b->q[2 * i + 1] = vzip2q_f32(x.q[i + 2], y.q[i + 2]);
  }
}

// The tree of vector.h down to 4 lanes: +8, +4.
static inline float32x4_t merge_to_4(F32x16 a) {
  return vaddq_f32(vaddq_f32(a.q[0], a.q[2]), vaddq_f32(a.q[1], a.q[3]));
}
// The rest of the tree: +2, +1.
static inline float merge(F32x16 a) {
  const float32x4_t four = merge_to_4(a);
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
// l0 + l2 and l1 + l3 of one vector, then of the other.
static inline float32x4_t merge_pair_to_2(float32x4_t a, float32x4_t b) {
  return vaddq_f32(vcombine_f32(vget_low_f32(a), vget_low_f32(b)),
                   vcombine_f32(vget_high_f32(a), vget_high_f32(b)));
}
// out[i] = merge(a[i]) * factor for four vectors at once.
static inline void merge_4_scaled(const F32x16* a, float factor, float* out) {
  const float32x4_t r01 = merge_pair_to_2(merge_to_4(a[0]), merge_to_4(a[1]));
  const float32x4_t r23 = merge_pair_to_2(merge_to_4(a[2]), merge_to_4(a[3]));
  vst1q_f32(out, vmulq_n_f32(vpaddq_f32(r01, r23), factor));
}
// The largest lane.
static inline float largest_lane(F32x16 a) {
  return vmaxvq_f32(max(max(a.q[0], a.q[1]), max(a.q[2], a.q[3])));
}

static inline I32x16 fill_i32(std::int32_t value) {
  const int32x4_t v = vdupq_n_s32(value);
  return {{v, v, v, v}};
}
static inline I32x16 add(I32x16 a, I32x16 b) {
  for (int i = 0; i < 4; ++i) a.q[i] = vaddq_s32(a.q[i], b.q[i]);
  return a;
}
// Round to nearest even, then clamp to [-128, 127].
static inline I32x16 to_int8_range(F32x16 a) {
  I32x16 r;
  for (int i = 0; i < 4; ++i) {
    r.q[i] = vmaxq_s32(vminq_s32(vcvtnq_s32_f32(a.q[i]), vdupq_n_s32(127)), vdupq_n_s32(-128));
  }
  return r;
}
// Sixteen bytes, each lane in [-128, 127].
static inline void store_int8(std::int8_t* p, I32x16 a) {
  const int16x8_t low = vcombine_s16(vmovn_s32(a.q[0]), vmovn_s32(a.q[1]));
  const int16x8_t high = vcombine_s16(vmovn_s32(a.q[2]), vmovn_s32(a.q[3]));
  vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}
static inline std::int32_t merge(I32x16 a) {
  return vaddvq_s32(vaddq_s32(vaddq_s32(a.q[0], a.q[1]), vaddq_s32(a.q[2], a.q[3])));
}

static inline U64x8 zero_u64() {
  const uint64x2_t v = vdupq_n_u64(0);
  return {{v, v, v, v}};
}
static inline U64x8 add(U64x8 a, U64x8 b) {
  for (int i = 0; i < 4; ++i) a.q[i] = vaddq_u64(a.q[i], b.q[i]);
  return a;
}
// 64 aligned bytes.
static inline U64x8 load_u64(const unsigned char* p) {
  U64x8 a;
  for (int i = 0; i < 4; ++i) a.q[i] = vreinterpretq_u64_u8(vld1q_u8(p + 16 * i));
  return a;
}
static inline std::uint64_t merge(U64x8 a) {
  return vaddvq_u64(vaddq_u64(vaddq_u64(a.q[0], a.q[1]), vaddq_u64(a.q[2], a.q[3])));
}

}  // namespace tern::kernels::neon
