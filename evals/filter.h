#pragma once
// What turns a model's text into an answer, and an answer into a score.

#include <string>
#include <string_view>

#include "evals/regex.h"

namespace tern::evals {

// lm-evaluation-harness's "regex" filter followed by "take_first". Of all matches one is selected;
// of its groups the first that is not empty; stripped. No match, or only empty groups: "[invalid]".
class RegexFilter {
 public:
  enum class Select { kFirst, kLast };

  RegexFilter(std::string_view name, std::string_view pattern, Select select)
      : name_(name), regex_(pattern), select_(select) {}

  std::string_view name() const noexcept { return name_; }
  std::string apply(std::string_view response) const;

 private:
  std::string_view name_;
  Regex regex_;
  Select select_;
};

// exact_match as gsm8k has it: commas, dollar signs, everything up to the last "#### ", and one dot
// at the end are ignored on both sides, and so is the case of letters.
double exact_number_match(std::string_view prediction, std::string_view reference);

}  // namespace tern::evals
