#pragma once
// What --baseline asks for: one baseline or a list of twins, and what their subjects are called. It
// loads nothing.

#include <cstddef>
#include <string>
#include <vector>

#include "engine/weight_choices.h"

namespace tern::harness {

// The twins that `text` names, in its order: "f16", "bf16", "q8_0", "q4_0", "auto" (f16), or a
// comma list such as "f16,bf16". Empty: "none" or a model, which stands alone because its path may
// hold a comma. Throws Error for a list with something else in it, nothing, or a type twice.
std::vector<engine::TwinType> named_twins(const std::string& text);

// "FP16", "FP16 and BF16", "FP16, BF16 and Q4_0"
std::string titles(const std::vector<engine::TwinType>& types);

// The subject's name of twin i of a list: "baseline" for the first one, whom all that looks for
// "the" baseline finds, and "baseline:TYPE" for the others.
std::string baseline_name(std::size_t i, engine::TwinType type);

}  // namespace tern::harness
