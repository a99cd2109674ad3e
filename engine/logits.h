#pragma once
// What is asked of a row of logits.

#include <cstdint>
#include <span>

#include "kernels/vector/vector.h"

namespace tern::engine {

// The largest logit, the first one on ties.
int argmax(std::span<const float> logits) noexcept;

// What all tokens of a row of logits have in common under a softmax, computed in binary64 with our
// own exponential and logarithm, summed in index order: no libm, no order of threads in it.
struct Softmax {
  double top = 0;      // the largest logit
  double log_sum = 0;  // ln Σ exp(logit - top)
  int best = 0;        // argmax

  // ln softmax(logits)[token] of a token with this logit.
  double log_probability(float logit) const noexcept { return double{logit} - top - log_sum; }
};
// logits: finite, not empty. The same bits on every row of kernels.
Softmax softmax(std::span<const float> logits, const kernels::VectorKernels& vector) noexcept;

// Fingerprint of logits for "did the fast run do the work": 64-bit FNV-1a over their little-endian
// bytes, continued from `seed` so that several rows hash into one.
inline constexpr std::uint64_t kLogitsHashSeed = 0xcbf29ce484222325u;
std::uint64_t hash_logits(std::span<const float> logits,
                          std::uint64_t seed = kLogitsHashSeed) noexcept;

}  // namespace tern::engine
