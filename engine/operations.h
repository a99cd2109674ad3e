#pragma once
// Multiplications and additions, by the arithmetic that does them.

#include <cstdint>

namespace tern::engine {

struct Operations {
  std::int64_t int8 = 0;  // int8 dot products: ternary layers
  std::int64_t fp32 = 0;  // binary32 fma: float layers and heads
};

}  // namespace tern::engine
