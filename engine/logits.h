#pragma once
// What is asked of a row of logits.

#include <cstdint>
#include <span>

namespace tern::engine {

// The largest logit, the first one on ties.
int argmax(std::span<const float> logits) noexcept;

// Fingerprint of logits for "did the fast run do the work": 64-bit FNV-1a over their little-endian
// bytes, continued from `seed` so that several rows hash into one.
inline constexpr std::uint64_t kLogitsHashSeed = 0xcbf29ce484222325u;
std::uint64_t hash_logits(std::span<const float> logits,
                          std::uint64_t seed = kLogitsHashSeed) noexcept;

}  // namespace tern::engine
