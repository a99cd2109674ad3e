#pragma once
// Element-wise work and reductions on one binary32 vector.
//
// Reductions use 16 virtual lanes: element i goes to lane i mod 16 (an fma chain or sum per lane, i
// ascending, from +0), then the lanes merge by one fixed tree: l[i] + l[i+8] for i < 8, then +4,
// +2, +1. Every implementation follows it exactly, so results are equal bit for bit for finite
// values.

#include <cstddef>
#include <cstdint>

namespace tern::kernels {

// exp_f64 is defined down to here; what is smaller adds nothing to a sum that is at least 1.
inline constexpr double kLowestExp = -690;

struct VectorKernels {
  // out[i] = (x[i] * r) * w[i] with r = 1 / sqrt(sum(x*x) / n + eps); the sum by 16 lanes of fma.
  // out may be x.
  void (*rms_norm)(const float* x, const float* w, std::int64_t n, float eps, float* out) noexcept;

  // Rotates pairs (i, i + head_dim/2) in place: a' = a*c - b*s, b' = a*s + b*c, each product
  // rounded. cos_sin: cos for i in [0, head_dim/2), then sin likewise. head_dim is even.
  void (*rope_half)(float* x, const float* cos_sin, std::int64_t head_dim) noexcept;

  // The same rotation on pairs (2i, 2i + 1).
  void (*rope_interleaved)(float* x, const float* cos_sin, std::int64_t head_dim) noexcept;

  // out[i] = (g*g) * up[i] with g = max(gate[i], +0). out may be gate or up.
  void (*relu2_mul)(const float* gate, const float* up, std::int64_t n, float* out) noexcept;

  // out[i] = (g / (1 + exp(-g))) * up[i], exp as in math.h's exp_f32. out may be gate or up.
  void (*silu_mul)(const float* gate, const float* up, std::int64_t n, float* out) noexcept;

  // out[i] = (g / (1 + exp(g * fma(g*g, kGeluCubic, kGeluLinear)))) * up[i]: GELU by tanh, see
  // exp_constants.h. out may be gate or up.
  void (*gelu_mul)(const float* gate, const float* up, std::int64_t n, float* out) noexcept;

  // x[i] += y[i].
  void (*add)(float* x, const float* y, std::int64_t n) noexcept;

  // x[i] *= factor.
  void (*scale)(float* x, float factor, std::int64_t n) noexcept;

  // x[i] = exp_f32(x[i] - max) / sum, the sum by 16 lanes. n >= 1.
  void (*softmax)(float* x, std::int64_t n) noexcept;

  // Sum of exp_f64(x[i] - max), i ascending, in binary64; what is below kLowestExp counts as zero.
  // max >= x[i].
  double (*sum_exp)(const float* x, std::int64_t n, float max) noexcept;

  // Round to nearest even; out: (n) binary16.
  void (*to_f16)(const float* x, std::int64_t n, std::uint16_t* out) noexcept;

  // False when any element is a NaN or an infinity.
  bool (*all_finite)(const float* x, std::int64_t n) noexcept;

  // Reads every byte once, as fast as memory gives them, and returns a value that depends on all of
  // them: the denominator of the roofline. bytes is a multiple of 256, data 64-byte aligned.
  std::uint64_t (*stream_read)(const void* data, std::size_t bytes) noexcept;
};

namespace scalar {
extern const VectorKernels kVector;
}
namespace avx2 {
extern const VectorKernels kVector;
}
namespace avx512 {
extern const VectorKernels kVector;
}
namespace neon {
extern const VectorKernels kVector;
}

}  // namespace tern::kernels
