// The vectors of half_lanes.inl. Everything here has internal linkage or is an intrinsic (see
// check.h).

#include <arm_neon.h>

#include "kernels/half/half.h"
#include "kernels/half/layout.h"
#include "kernels/simd/reading.h"

namespace tern::kernels::neon {
namespace {

using Vec = float32x4_t;
constexpr std::int64_t kLanes = 4;

struct F16 {
  using Element = std::uint16_t;
  static float32x4_t load(const Element* p) noexcept {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
  }
};
struct Bf16 {
  using Element = std::uint16_t;
  static float32x4_t load(const Element* p) noexcept {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
  }
};
struct F32 {
  using Element = float;
  static float32x4_t load(const Element* p) noexcept { return vld1q_f32(p); }
};

Vec fill(float x) noexcept { return vdupq_n_f32(x); }
Vec fma(Vec a, Vec b, Vec c) noexcept { return vfmaq_f32(c, a, b); }
Vec mul(Vec a, Vec b) noexcept { return vmulq_f32(a, b); }
Vec load(const float* y) noexcept { return vld1q_f32(y); }
void store(float* y, Vec value) noexcept { vst1q_f32(y, value); }

#include "kernels/half/partial_rows.inl"

struct Tile {
  int vectors, tokens;
};
constexpr Tile kTile{4, 6}, kTile6{4, 6}, kTile4{4, 4}, kTile2{8, 2}, kTile1{16, 1};

#include "kernels/half/half_lanes.inl"

}  // namespace

constinit const HalfKernels kHalf = kKernels<InTurnToL2>;

}  // namespace tern::kernels::neon
