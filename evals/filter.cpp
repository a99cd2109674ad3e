#include "evals/filter.h"

#include <algorithm>

#include "evals/text.h"

namespace tern::evals {

std::string RegexFilter::apply(std::string_view response) const {
  const std::vector<Regex::Groups> matches = regex_.find_all(response);
  if (matches.empty()) return fallback_;
  const Regex::Groups& groups = select_ == Select::kFirst ? matches.front() : matches.back();
  // A pattern with one group gives that group even when it is empty.
  if (groups.size() == 1) return std::string(strip(groups.front()));
  const auto full = std::find_if(groups.begin(), groups.end(),
                                 [](const std::string& group) { return !group.empty(); });
  return full == groups.end() ? fallback_ : std::string(strip(*full));
}

ExactMatch::ExactMatch(std::span<const std::string> ignored, bool ignore_case)
    : ignore_case_(ignore_case) {
  for (const std::string& pattern : ignored) ignored_.emplace_back(pattern);
}

std::string ExactMatch::normalized(std::string_view text) const {
  std::string rest(text);
  for (const Regex& regex : ignored_) rest = regex.remove_all(rest);
  return ignore_case_ ? lower_case(rest) : rest;
}

double ExactMatch::operator()(std::string_view prediction, std::string_view reference) const {
  return normalized(prediction) == normalized(reference) ? 1 : 0;
}

}  // namespace tern::evals
