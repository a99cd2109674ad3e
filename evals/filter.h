#pragma once
// What turns a model's text into an answer, and an answer into a score.

#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "evals/regex.h"

namespace tern::evals {

// lm-evaluation-harness's "regex" filter followed by "take_first". Of all matches one is selected;
// of its groups the first that is not empty; stripped. No match, or only empty groups: the
// fallback.
class RegexFilter {
 public:
  enum class Select { kFirst, kLast };

  RegexFilter(std::string_view name, std::string_view pattern, Select select,
              std::string_view fallback = "[invalid]")
      : name_(name), regex_(pattern), select_(select), fallback_(fallback) {}

  std::string_view name() const noexcept { return name_; }
  std::string apply(std::string_view response) const;

 private:
  std::string name_;
  Regex regex_;
  Select select_;
  std::string fallback_;
};

// exact_match: patterns are removed from both sides, one after the other, before they are compared.
class ExactMatch {
 public:
  // Throws Error when a pattern does not compile.
  ExactMatch(std::span<const std::string> ignored, bool ignore_case);
  // 1 or 0.
  double operator()(std::string_view prediction, std::string_view reference) const;

 private:
  std::string normalized(std::string_view text) const;

  std::deque<Regex> ignored_;
  bool ignore_case_;
};

}  // namespace tern::evals
