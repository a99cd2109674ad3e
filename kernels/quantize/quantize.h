#pragma once
// Per-token absmax quantisation of activations to int8 (BitNet b1.58, arXiv:2402.17764 and the
// published modelling code): s = 127 / max(absmax, 1e-5), q = clamp(round_half_even(x * s), -128,
// 127).

#include <cstdint>

namespace tern::kernels {

struct QuantizeKernels {
  // x: (n) finite. q: n values, then zeros up to the next multiple of kQuantizedAlign (see
  // ternary.h), 64-byte aligned. *sum receives the sum of q. Returns s, so that x ~ q / s.
  float (*quantize_row)(const float* x, std::int64_t n, std::int8_t* q, std::int32_t* sum) noexcept;
};

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
