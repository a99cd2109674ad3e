// The oracle: quantize.h, one element at a time.

#include <cmath>

#include "kernels/block/block.h"
#include "kernels/quantize/quantize.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::scalar {
namespace {

// Adding and subtracting 1.5 * 2^23 leaves the nearest integer, half to even, for |v| < 2^22.
float round_half_even(float v) noexcept { return (v + 0x1.8p+23f) - 0x1.8p+23f; }

// What is not a number becomes -128: its conversion has no meaning of its own, and a run that has
// one fails by its residual stream.
std::int8_t to_int8(float v) noexcept {
  if (!(v >= -128.0f)) return -128;
  if (v > 127.0f) return 127;
  return static_cast<std::int8_t>(round_half_even(v));
}

float quantize_row(const float* x, std::int64_t n, std::int8_t* q, std::int32_t* sum) noexcept {
  float absmax = 1e-5f;
  for (std::int64_t i = 0; i < n; ++i) absmax = std::fabs(x[i]) > absmax ? std::fabs(x[i]) : absmax;
  const float s = 127.0f / absmax;
  std::int32_t total = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    q[i] = to_int8(x[i] * s);
    total += q[i];
  }
  for (std::int64_t i = n; i % kQuantizedAlign != 0; ++i) q[i] = 0;
  *sum = total;
  return s;
}

void quantize_block(const float* x, std::int8_t* q, std::int32_t* sums, float* scale) noexcept {
  float absmax = 0.0f;
  for (int i = 0; i < kQuantBlock; ++i)
    absmax = std::fabs(x[i]) > absmax ? std::fabs(x[i]) : absmax;
  const bool zero = absmax < kLeastBlockMax;
  const float factor = zero ? 0.0f : 127.0f / absmax;
  sums[0] = sums[1] = 0;
  for (int i = 0; i < kQuantBlock; ++i) {
    q[i] = to_int8(x[i] * factor);
    sums[i / 16] += q[i];
  }
  *scale = zero ? 0.0f : absmax / 127.0f;
}

void quantize_blocks(const float* x, std::int64_t n, std::int8_t* q, std::int32_t* sums,
                     float* scales) noexcept {
  for (std::int64_t i = 0; i < n; i += kQuantBlock) {
    quantize_block(x + i, q + i, sums + i / 16, scales + i / kQuantBlock);
  }
}

}  // namespace

constinit const QuantizeKernels kQuantize = {quantize_row, quantize_blocks};

}  // namespace tern::kernels::scalar
