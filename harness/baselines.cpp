#include "harness/baselines.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "harness/error.h"

namespace tern::harness {

namespace {

using engine::TwinType;

std::optional<TwinType> twin_type(const std::string& word) {
  using enum TwinType;
  for (const TwinType type : {kF16, kBf16, kQ8_0, kQ4_0}) {
    if (word == name(type)) return type;
  }
  return std::nullopt;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

// A comma alone makes no list: it may belong to the path of a model.
bool is_list(const std::string& text, const std::vector<std::string>& words) {
  const auto known = [](const std::string& word) {
    return word == "auto" || word == "none" || twin_type(word).has_value();
  };
  if (words.size() < 2 || std::none_of(words.begin(), words.end(), known)) return false;
  if (std::all_of(words.begin(), words.end(), known)) return true;
  std::error_code ignored;
  return !std::filesystem::exists(text, ignored);
}

[[noreturn]] void refuse(const std::string& text, const std::string& why) {
  throw Error(fmt::format("--baseline: expected a list of f16, bf16, q8_0 and q4_0, got \"{}\": {}",
                          text, why));
}

}  // namespace

std::vector<TwinType> named_twins(const std::string& text) {
  if (text == "auto") return {TwinType::kF16};
  const std::vector<std::string> words = split(text);
  if (!is_list(text, words)) {
    const std::optional<TwinType> type = twin_type(text);
    return type.has_value() ? std::vector{*type} : std::vector<TwinType>();
  }
  std::vector<TwinType> types;
  for (const std::string& word : words) {
    const std::optional<TwinType> type = twin_type(word);
    if (word.empty()) refuse(text, "an entry is empty");
    if (word == "auto" || word == "none") refuse(text, word + " stands alone");
    if (!type.has_value())
      refuse(text, "\"" + word + "\" is none of them, and a model stands alone");
    if (std::find(types.begin(), types.end(), *type) != types.end()) {
      refuse(text, word + " is there twice");
    }
    types.push_back(*type);
  }
  return types;
}

std::string titles(const std::vector<TwinType>& types) {
  std::string text;
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (i > 0) text += i + 1 < types.size() ? ", " : " and ";
    text += title(types[i]);
  }
  return text;
}

std::string baseline_name(std::size_t i, TwinType type) {
  return i == 0 ? "baseline" : fmt::format("baseline:{}", name(type));
}

}  // namespace tern::harness
