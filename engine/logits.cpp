#include "engine/logits.h"

#include <bit>

#include "kernels/vector/math.h"

namespace tern::engine {

int argmax(std::span<const float> logits) noexcept {
  std::size_t best = 0;
  for (std::size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<int>(best);
}

Softmax softmax(std::span<const float> logits, const kernels::VectorKernels& vector) noexcept {
  Softmax result;
  result.best = argmax(logits);
  const float top = logits[static_cast<std::size_t>(result.best)];
  result.top = top;
  result.log_sum = kernels::log_f64(vector.sum_exp(logits.data(), std::ssize(logits), top));
  return result;
}

// FNV-1a, 64 bit: offset basis and prime from the authors' reference
// (isthe.com/chongo/tech/comp/fnv).
std::uint64_t hash_logits(std::span<const float> logits, std::uint64_t seed) noexcept {
  constexpr std::uint64_t kPrime = 0x100000001b3u;
  std::uint64_t hash = seed;
  for (const float value : logits) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) hash = (hash ^ ((bits >> shift) & 0xffu)) * kPrime;
  }
  return hash;
}

}  // namespace tern::engine
