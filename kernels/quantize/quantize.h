#pragma once
// Per-token absmax quantisation of activations to int8 (BitNet b1.58, arXiv:2402.17764 and the
// published modelling code): s = 127 / max(absmax, 1e-5), q = clamp(round_half_even(x * s), -128,
// 127). And per-block quantisation for block-quantised weights (block.h).

#include <cstdint>

namespace tern::kernels {

struct QuantizeKernels {
  // x: (n) finite. q: n values, then zeros up to the next multiple of kQuantizedAlign (see
  // ternary.h), 64-byte aligned. *sum receives the sum of q. Returns s, so that x ~ q / s.
  float (*quantize_row)(const float* x, std::int64_t n, std::int8_t* q, std::int32_t* sum) noexcept;

  // Blocks of kQuantBlock columns (block.h): a = absmax / 127, q = round_half_even(x * (127 /
  // absmax)), so that x ~ a * q; a block whose absmax is below 2^-100, where 127 / absmax could
  // overflow, is zero: a = 0, q = 0. x: (n) finite, n a multiple of kQuantBlock. q: (n), 64-byte
  // aligned. sums: (n / 16), of q over each half of a block. scales: (n / kQuantBlock).
  void (*quantize_blocks)(const float* x, std::int64_t n, std::int8_t* q, std::int32_t* sums,
                          float* scales) noexcept;
};

inline constexpr float kLeastBlockMax = 0x1p-100f;

namespace scalar {
extern const QuantizeKernels kQuantize;
}
namespace avx2 {
extern const QuantizeKernels kQuantize;
}
namespace avx512 {
extern const QuantizeKernels kQuantize;
}
namespace neon {
extern const QuantizeKernels kQuantize;
}

}  // namespace tern::kernels
