#pragma once
// Multiplications and additions, by the arithmetic that does them.

#include <cstdint>

namespace tern::engine {

struct Operations {
  std::int64_t int8 = 0;  // int8 dot products: ternary layers
  std::int64_t fp32 = 0;  // binary32 fma: float layers and heads
  std::int64_t bf16 = 0;  // BF16 dot products: those of BF16, on a kernels row that has them
};

constexpr Operations operator+(const Operations& a, const Operations& b) noexcept {
  return {a.int8 + b.int8, a.fp32 + b.fp32, a.bf16 + b.bf16};
}
constexpr Operations operator*(std::int64_t times, const Operations& a) noexcept {
  return {times * a.int8, times * a.fp32, times * a.bf16};
}
constexpr Operations operator-(const Operations& a, const Operations& b) noexcept {
  return a + -1 * b;
}

}  // namespace tern::engine
