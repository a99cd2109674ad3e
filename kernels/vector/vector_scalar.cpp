// The oracle: vector.h, word for word, one element at a time.

#include <cmath>
#include <cstring>

#include "kernels/float16.h"
#include "kernels/vector/exp_constants.h"
#include "kernels/vector/math.h"
#include "kernels/vector/merge_lanes.h"
#include "kernels/vector/vector.h"

namespace tern::kernels::scalar {
namespace {

void rms_norm(const float* x, const float* w, std::int64_t n, float eps, float* out) noexcept {
  float lanes[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i) {
    lanes[i % kLanes] = __builtin_fmaf(x[i], x[i], lanes[i % kLanes]);
  }
  const float mean = merge_lanes(lanes) / static_cast<float>(n);
  const float r = 1.0f / std::sqrt(mean + eps);
  for (std::int64_t i = 0; i < n; ++i) out[i] = (x[i] * r) * w[i];
}

void rotate(float* a, float* b, float c, float s) noexcept {
  const float rotated_a = *a * c - *b * s;
  const float rotated_b = *a * s + *b * c;
  *a = rotated_a;
  *b = rotated_b;
}

void rope_half(float* x, const float* cos_sin, std::int64_t head_dim) noexcept {
  const std::int64_t half = head_dim / 2;
  for (std::int64_t i = 0; i < half; ++i)
    rotate(&x[i], &x[i + half], cos_sin[i], cos_sin[half + i]);
}

void rope_interleaved(float* x, const float* cos_sin, std::int64_t head_dim) noexcept {
  const std::int64_t half = head_dim / 2;
  for (std::int64_t i = 0; i < half; ++i) {
    rotate(&x[2 * i], &x[2 * i + 1], cos_sin[i], cos_sin[half + i]);
  }
}

void relu2_mul(const float* gate, const float* up, std::int64_t n, float* out) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gate[i] > 0.0f ? gate[i] : 0.0f;
    out[i] = (g * g) * up[i];
  }
}

void silu_mul(const float* gate, const float* up, std::int64_t n, float* out) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gate[i];
    out[i] = (g / (1.0f + exp_f32(-g))) * up[i];
  }
}

void gelu_mul(const float* gate, const float* up, std::int64_t n, float* out) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gate[i];
    const float e = exp_f32(g * __builtin_fmaf(g * g, kGeluCubic, kGeluLinear));
    out[i] = (g / (1.0f + e)) * up[i];
  }
}

void add(float* x, const float* y, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) x[i] = x[i] + y[i];
}

void scale(float* x, float factor, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) x[i] = x[i] * factor;
}

void softmax(float* x, std::int64_t n) noexcept {
  float max = x[0];
  for (std::int64_t i = 1; i < n; ++i) max = x[i] > max ? x[i] : max;
  float lanes[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i) {
    x[i] = exp_f32(x[i] - max);
    lanes[i % kLanes] = lanes[i % kLanes] + x[i];
  }
  const float sum = merge_lanes(lanes);
  for (std::int64_t i = 0; i < n; ++i) x[i] = x[i] / sum;
}

double sum_exp(const float* x, std::int64_t n, float max) noexcept {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double shifted = double{x[i]} - double{max};
    if (shifted > kLowestExp) sum += exp_f64(shifted);
  }
  return sum;
}

void to_f16(const float* x, std::int64_t n, std::uint16_t* out) noexcept {
  for (std::int64_t i = 0; i < n; ++i) out[i] = f32_to_f16(x[i]);
}

bool all_finite(const float* x, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return false;
  }
  return true;
}

// The sum of all 64-bit words modulo 2^64: in any order the same.
std::uint64_t stream_read(const void* data, std::size_t bytes) noexcept {
  const auto* p = static_cast<const unsigned char*>(data);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes; i += sizeof sum) {
    std::uint64_t word;
    std::memcpy(&word, p + i, sizeof word);
    sum += word;
  }
  return sum;
}

}  // namespace

constinit const VectorKernels kVector = {
    rms_norm, rope_half, rope_interleaved, relu2_mul, silu_mul,   gelu_mul,   add,
    scale,    softmax,   sum_exp,          to_f16,    all_finite, stream_read};

}  // namespace tern::kernels::scalar
