#include "evals/filter.h"

#include <algorithm>
#include <array>

#include "evals/text.h"

namespace tern::evals {

namespace {

std::string normalized(std::string_view text) {
  static const std::array<Regex, 4> ignored = {Regex(","), Regex("\\$"), Regex("(?s).*#### "),
                                               Regex("\\.$")};
  std::string rest(text);
  for (const Regex& regex : ignored) rest = regex.remove_all(rest);
  return lower_case(rest);
}

}  // namespace

std::string RegexFilter::apply(std::string_view response) const {
  constexpr std::string_view kInvalid = "[invalid]";
  const std::vector<Regex::Groups> matches = regex_.find_all(response);
  if (matches.empty()) return std::string(kInvalid);
  const Regex::Groups& groups = select_ == Select::kFirst ? matches.front() : matches.back();
  // A pattern with one group gives that group even when it is empty.
  if (groups.size() == 1) return std::string(strip(groups.front()));
  const auto full = std::find_if(groups.begin(), groups.end(),
                                 [](const std::string& group) { return !group.empty(); });
  return full == groups.end() ? std::string(kInvalid) : std::string(strip(*full));
}

double exact_number_match(std::string_view prediction, std::string_view reference) {
  return normalized(prediction) == normalized(reference) ? 1 : 0;
}

}  // namespace tern::evals
