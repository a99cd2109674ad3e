#pragma once
// What a caller may choose about a model's weights beside what its file holds.

#include <cstdint>

#include "engine/ternary_layout.h"

namespace tern::engine {

// The output head, and the embedding where both are one matrix: as stored, or requantised at load.
enum class HeadType : std::uint8_t { kStored, kQ8_0, kQ6_K };
const char* name(HeadType type) noexcept;  // "stored", "q8_0", "q6_k"

struct WeightChoices {
  HeadType head = HeadType::kStored;
  TernaryBits ternary_bits = TernaryBits::k2;
  bool greedy_head = false;
  bool skip_zeros = false;
};

// Linear layers of the twin of a ternary model. Every type holds its trits exactly.
enum class TwinType : std::uint8_t { kF16, kBf16, kQ8_0, kQ4_0 };
const char* name(TwinType type) noexcept;   // "f16", "bf16", "q8_0", "q4_0"
const char* title(TwinType type) noexcept;  // "FP16", "BF16", "Q8_0", "Q4_0"

}  // namespace tern::engine
