#pragma once
// What several sub-commands share in reading their command line. Errors are harness::Error (exit
// code 2).

#include <optional>
#include <string>
#include <vector>

#include "engine/weight_choices.h"
#include "kernels/attention/attention.h"
#include "kernels/dispatch.h"

namespace tern::harness {

// Debian's CLI11 refuses multi-letter short names: rewrites llama-bench's spellings (-pg, -ub,
// -ctk, -ctv, -oe, …) to their long forms, also as -pg=1,2, and '_' in long flags to '-'. Stops at
// "--".
std::vector<std::string> rewrite_spellings(const std::vector<std::string>& args);

// llama-bench's list syntax: "1,2", "4-8", "0-8192+1024", "1-16*2", in any mix. Values below
// `least` or not numbers are errors naming `flag`.
std::vector<int> parse_int_list(const std::string& text, const std::string& flag, int least);

// "-t 4": one number of threads, at most kMostThreads; 0, the engine's own choice, for an empty
// text.
inline constexpr int kMostThreads = 1024;
int parse_threads(const std::string& text);

// The kernels row of that name, the best one for an empty name, and for "auto+bf16" the best of
// those that multiply BF16 weights by instructions of their own. Unknown or unusable here: an Error
// that lists the usable rows.
const kernels::KernelTable& kernels_row(const std::string& name);

// What "auto+bf16" stands for where that runs here and is not `row` itself; else nothing.
std::string bf16_row_beside(const kernels::KernelTable& row);

kernels::CacheType parse_cache_type(const std::string& text,
                                    const std::string& flag);  // "f16" | "f32"
const char* name(kernels::CacheType type) noexcept;

// "2", "1.6" or "auto" (nothing: the faster one, measured at load).
inline constexpr const char* kTernaryBitsHelp =
    "memory of a ternary weight: 2, 1.6 or auto (the faster one here, measured) [2]";
std::optional<engine::TernaryBits> parse_ternary_bits(const std::string& text);

// "--head": what becomes of the output head at load.
inline constexpr const char* kHeadHelp =
    "Output head, and the embedding where both are one: stored, or requantised at load to q8_0 or "
    "q6_k";
engine::HeadType parse_head(const std::string& text);

inline constexpr const char* kGreedyHeadHelp =
    "Decode through a Q8_0 copy of a float head that brackets every logit: the same tokens for "
    "about "
    "half the reading, and memory for the copy";
inline constexpr const char* kSkipZerosHelp =
    "Decode without the rows of `up` and columns of `down` that squared ReLU has made exactly "
    "zero: "
    "the same answers, and memory for a second copy of both";
// Throws Error where both are asked for: a requantised head has no float weights to fall back on.
void check_greedy_head(bool greedy_head, engine::HeadType head);

}  // namespace tern::harness
