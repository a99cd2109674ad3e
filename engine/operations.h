#pragma once
// Multiplications and additions, by the arithmetic that does them.

#include <cstdint>

namespace tern::engine {

struct Operations {
  std::int64_t int8 = 0;  // int8 dot products: ternary layers
  std::int64_t fp32 = 0;  // binary32 fma: float layers and heads
  std::int64_t bf16 = 0;  // BF16 dot products: those of BF16, on a kernels row that has them
};

}  // namespace tern::engine
