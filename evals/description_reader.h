#pragma once
// One JSON object of a task description: every key is taken once, with its type, and keys that
// nobody takes are refused, so that a misspelt one cannot silently do nothing.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/value.h"
#include "evals/template.h"

namespace tern::evals {

class DescriptionReader {
 public:
  // Throws Error when the value is no object. `place` names it in errors: "quiz.json: fewshot".
  DescriptionReader(const datasets::Value& object, std::string place);

  const std::string& place() const noexcept { return place_; }
  // "quiz.json: fewshot: expected EXPECTED, got …", of a value.
  [[noreturn]] void refuse(std::string_view key, const std::string& expected,
                           const datasets::Value& got) const;

  // Null where there is no such key.
  const datasets::Value* take(const char* key);
  const datasets::Value& required(const char* key, const char* expected);

  std::optional<std::string> text(const char* key);
  std::string required_text(const char* key);
  std::int64_t integer_or(const char* key, std::int64_t otherwise, std::int64_t least);
  bool boolean_or(const char* key, bool otherwise);
  // The index of the text in `words`.
  std::size_t word_or(const char* key, std::initializer_list<std::string_view> words,
                      std::size_t otherwise);
  std::vector<std::string> texts(const char* key);
  std::optional<Template> text_template(const char* key);
  std::optional<DescriptionReader> object(const char* key);

  // Throws Error when the object has a key that was not taken.
  void finish() const;

 private:
  const datasets::Value& object_;
  std::string place_;
  std::set<std::string, std::less<>> taken_;
};

}  // namespace tern::evals
