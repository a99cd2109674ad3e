#include "evals/description_reader.h"

#include <algorithm>

#include "evals/error.h"

namespace tern::evals {

using datasets::Value;

namespace {

std::string shown(const Value& value) {
  if (const std::string* text = value.text()) return "\"" + text->substr(0, 60) + "\"";
  if (const std::int64_t* integer = value.integer()) return std::to_string(*integer);
  return std::string("a JSON ") + value.type_name();
}

}  // namespace

DescriptionReader::DescriptionReader(const Value& object, std::string place)
    : object_(object), place_(std::move(place)) {
  if (object_.object() == nullptr)
    throw Error(place_ + ": expected a JSON object, got " + shown(object_));
}

void DescriptionReader::refuse(std::string_view key, const std::string& expected,
                               const Value& got) const {
  throw Error(place_ + ": " + std::string(key) + ": expected " + expected + ", got " + shown(got));
}

const Value* DescriptionReader::take(const char* key) {
  taken_.insert(key);
  return object_.find(key);
}

const Value& DescriptionReader::required(const char* key, const char* expected) {
  if (const Value* value = take(key)) return *value;
  throw Error(place_ + ": expected " + expected + " \"" + key + "\", got an object without");
}

std::optional<std::string> DescriptionReader::text(const char* key) {
  const Value* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (value->text() == nullptr) refuse(key, "a string", *value);
  return *value->text();
}

std::string DescriptionReader::required_text(const char* key) {
  required(key, "a string");
  return *text(key);
}

std::int64_t DescriptionReader::integer_or(const char* key, std::int64_t otherwise,
                                           std::int64_t least) {
  constexpr std::int64_t kMost = 1'000'000;
  const Value* value = take(key);
  if (value == nullptr) return otherwise;
  const std::int64_t* integer = value->integer();
  if (integer == nullptr || *integer < least || *integer > kMost) {
    refuse(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(kMost),
           *value);
  }
  return *integer;
}

bool DescriptionReader::boolean_or(const char* key, bool otherwise) {
  const Value* value = take(key);
  if (value == nullptr) return otherwise;
  if (value->boolean() == nullptr) refuse(key, "true or false", *value);
  return *value->boolean();
}

std::size_t DescriptionReader::word_or(const char* key,
                                       std::initializer_list<std::string_view> words,
                                       std::size_t otherwise) {
  const Value* value = take(key);
  if (value == nullptr) return otherwise;
  const auto found = value->text() == nullptr
                         ? words.end()
                         : std::find(words.begin(), words.end(), std::string_view(*value->text()));
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  std::string known;
  for (const std::string_view word : words) known.append(known.empty() ? "" : ", ").append(word);
  refuse(key, "one of " + known, *value);
}

std::vector<std::string> DescriptionReader::texts(const char* key) {
  std::vector<std::string> list;
  const Value* value = take(key);
  if (value == nullptr) return list;
  if (value->list() == nullptr) refuse(key, "a list of strings", *value);
  for (const Value& element : *value->list()) {
    if (element.text() == nullptr) refuse(key, "a list of strings", element);
    list.push_back(*element.text());
  }
  return list;
}

std::optional<Template> DescriptionReader::text_template(const char* key) {
  const std::optional<std::string> source = text(key);
  if (!source) return std::nullopt;
  try {
    return Template(*source);
  } catch (const Error& error) {
    throw Error(place_ + ": " + key + ": " + error.what());
  }
}

std::optional<DescriptionReader> DescriptionReader::object(const char* key) {
  const Value* value = take(key);
  if (value == nullptr) return std::nullopt;
  return DescriptionReader(*value, place_ + ": " + key);
}

void DescriptionReader::finish() const {
  for (const datasets::Member& member : *object_.object()) {
    if (!taken_.contains(member.key))
      throw Error(place_ + ": expected no key \"" + member.key + "\", which means nothing here");
  }
}

}  // namespace tern::evals
