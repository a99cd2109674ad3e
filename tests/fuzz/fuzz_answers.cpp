// Any bytes as a model's answer: filters, metric and text functions neither crash nor lose what
// they should keep.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "evals/filter.h"
#include "evals/text.h"

using namespace tern::evals;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void filter(std::string_view answer) {
  using Select = RegexFilter::Select;
  static const RegexFilter strict("strict-match", R"(#### (\-?[0-9\.\,]+))", Select::kFirst);
  static const RegexFilter flexible("flexible-extract", R"((-?[$0-9.,]{2,})|(-?[0-9]+))",
                                    Select::kLast);
  static const std::array<std::string, 4> ignored = {",", "\\$", "(?s).*#### ", "\\.$"};
  static const ExactMatch exact_match(ignored, true);
  for (const RegexFilter* each : {&strict, &flexible}) {
    const std::string found = each->apply(answer);
    require(found == "[invalid]" || answer.find(found) != std::string_view::npos);
    require(exact_match(found, found) == 1);
    exact_match(found, answer);
  }
  require(exact_match(answer, answer) == 1);
}

void cut_and_strip(std::string_view answer) {
  require(code_points(answer) <= answer.size());
  require(strip(strip(answer)) == strip(answer));
  const std::string_view half = answer.substr(0, answer.size() / 2);
  const std::string_view rest = answer.substr(half.size());
  const ContextPair moved = move_trailing_space(half, rest);
  require(moved.context + moved.continuation == answer);
  require(strip_end(moved.context) == moved.context);
  const std::array<std::string, 2> stops = {"Question:", std::string(half.substr(0, 2))};
  const std::string cut = cut_at_stops(rest, stops);
  require(rest.starts_with(cut));
  for (const std::string& stop : stops)
    require(stop.empty() || cut.find(stop) == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view answer(reinterpret_cast<const char*>(data), size);
  filter(answer);
  cut_and_strip(answer);
  return 0;
}
