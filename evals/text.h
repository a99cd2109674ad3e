#pragma once
// Text as Python's str and lm-evaluation-harness see it. All functions take UTF-8; a byte that is
// not part of a well-formed sequence counts as one character.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace tern::evals {

// Number of code points: Python's len().
std::size_t code_points(std::string_view text);

// Python's str.rstrip() and str.strip(): Unicode white space.
std::string_view strip_end(std::string_view text);
std::string_view strip(std::string_view text);

// Pieces between runs of white space, empty ones at the ends included: len(re.split(r"\s+", text)).
std::size_t count_words(std::string_view text);

// Python's str.isspace() of the first and of the last character; false where there is none.
bool starts_with_space(std::string_view text);
bool ends_with_space(std::string_view text);

// Before a continuation's log-likelihood is asked for, white space at the end of the context moves
// to the start of the continuation: tokens at the border then are those a model sees in running
// text.
struct ContextPair {
  std::string context, continuation;
};
ContextPair move_trailing_space(std::string_view context, std::string_view continuation);

// Cut at the first occurrence of each stop string in turn. Empty stop strings are ignored.
std::string cut_at_stops(std::string_view text, std::span<const std::string> stops);

}  // namespace tern::evals
