#include "evals/row_forms.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "evals/error.h"
#include "evals/regex.h"
#include "evals/text.h"

namespace tern::evals {

using datasets::Member;
using datasets::Value;

namespace {

using NamedType = std::pair<std::string_view, Column::Type>;
constexpr std::array<NamedType, 5> kTypes = {{{"any", Column::Type::kAny},
                                              {"string", Column::Type::kString},
                                              {"integer", Column::Type::kInteger},
                                              {"list", Column::Type::kList},
                                              {"object", Column::Type::kObject}}};

std::string_view type_name(Column::Type type) {
  return std::find_if(kTypes.begin(), kTypes.end(),
                      [&](const NamedType& known) { return known.second == type; })
      ->first;
}

const Value& member(const Value& row, const char* key) {
  if (const Value* found = row.find(key)) return *found;
  throw Error(
      std::string("expected a field \"") + key + "\", got " +
      (row.object() != nullptr ? "an object without" : std::string("a JSON ") + row.type_name()));
}

const std::string& text_member(const Value& row, const char* key) {
  const Value& value = member(row, key);
  if (value.text() != nullptr) return *value.text();
  throw Error(std::string("expected a string \"") + key + "\", got a JSON " + value.type_name());
}

const Value::List& list_member(const Value& row, const char* key) {
  const Value& value = member(row, key);
  if (value.list() != nullptr) return *value.list();
  throw Error(std::string("expected a list \"") + key + "\", got a JSON " + value.type_name());
}

Value ai2_question(const Value& row) {
  const Value* question = row.find("question");
  if (question == nullptr || question->object() == nullptr) return row;
  Value::List texts, labels;
  for (const Value& choice : list_member(*question, "choices")) {
    texts.emplace_back(text_member(choice, "text"));
    labels.emplace_back(text_member(choice, "label"));
  }
  Value::Object changed;
  for (const Member& each : *row.object())
    if (each.key != "question") changed.push_back(each);
  const std::string& stem = text_member(*question, "stem");
  changed.push_back({"question", stem});
  changed.push_back({"question_stem", stem});
  changed.push_back(
      {"choices", Value::Object{{"text", std::move(texts)}, {"label", std::move(labels)}}});
  return changed;
}

// Brackets are left over from the part of HellaSwag that was WikiHow.
std::string without_brackets(std::string_view text) {
  static const Regex brackets("\\[.*?\\]");
  const auto replace = [](std::string from, std::string_view what, std::string_view with) {
    for (std::size_t at = 0; (at = from.find(what, at)) != std::string::npos; at += with.size())
      from.replace(at, what.size(), with);
    return from;
  };
  const std::string titles = replace(std::string(strip(text)), " [title]", ". ");
  return replace(brackets.remove_all(titles), "  ", " ");
}

// A label that is published as a number in one file and as its digits in another.
std::int64_t whole_number(const Value& value, const char* key) {
  if (const std::int64_t* number = value.integer()) return *number;
  std::int64_t number = 0;
  if (const std::string* text = value.text()) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error == std::errc() && end == text->data() + text->size()) return number;
  }
  throw Error(std::string("expected a whole number \"") + key + "\", got " +
              (value.text() != nullptr ? "\"" + *value.text() + "\""
                                       : std::string("a JSON ") + value.type_name()));
}

Value hellaswag(const Value& row) {
  Value::Object changed = *row.object();
  changed.push_back({"query", without_brackets(text_member(row, "activity_label") + ": " +
                                               text_member(row, "ctx_a") + " " +
                                               capitalize(text_member(row, "ctx_b")))});
  Value::List choices;
  for (const Value& ending : list_member(row, "endings")) {
    if (ending.text() == nullptr)
      throw Error(std::string("expected strings in \"endings\", got a JSON ") + ending.type_name());
    choices.emplace_back(without_brackets(*ending.text()));
  }
  changed.push_back({"choices", std::move(choices)});
  changed.push_back({"gold", whole_number(member(row, "label"), "label")});
  return changed;
}

using NamedForm = std::pair<std::string_view, RowForm>;
constexpr std::array<NamedForm, 2> kForms = {
    {{"ai2_question", ai2_question}, {"hellaswag", hellaswag}}};

// The value as a column of that type holds it; null where it cannot.
Value as_type(const Value& value, Column::Type type) {
  switch (type) {
    case Column::Type::kAny:
      return value;
    case Column::Type::kString:
      if (value.integer() != nullptr) return std::to_string(*value.integer());
      return value.text() != nullptr ? value : Value();
    case Column::Type::kInteger:
      if (value.boolean() != nullptr) return std::int64_t{*value.boolean() ? 1 : 0};
      return value.integer() != nullptr ? value : Value();
    case Column::Type::kList:
      return value.list() != nullptr ? value : Value();
    case Column::Type::kObject:
      return value.object() != nullptr ? value : Value();
  }
  return {};
}

}  // namespace

Column parse_column(std::string name, std::string_view type) {
  Column column{std::move(name), Column::Type::kAny, type.ends_with('?')};
  if (column.optional) type.remove_suffix(1);
  const auto found = std::find_if(kTypes.begin(), kTypes.end(),
                                  [&](const NamedType& known) { return known.first == type; });
  if (found == kTypes.end()) {
    throw Error("column " + column.name +
                ": expected any, string, integer, list or object, got \"" + std::string(type) +
                "\"");
  }
  column.type = found->second;
  return column;
}

RowForm find_row_form(std::string_view name) {
  const auto found = std::find_if(kForms.begin(), kForms.end(),
                                  [&](const NamedForm& known) { return known.first == name; });
  if (found != kForms.end()) return found->second;
  throw Error("expected the form ai2_question or hellaswag, got \"" + std::string(name) + "\"");
}

Value checked_columns(const Value& row, std::span<const Column> columns) {
  if (columns.empty()) return row;
  Value::Object checked;
  for (const Column& column : columns) {
    const std::string wanted =
        "expected a " + std::string(type_name(column.type)) + " \"" + column.name + "\", got ";
    const Value* found = row.find(column.name);
    if (found == nullptr) {
      if (column.optional) continue;
      throw Error(wanted + "an object without");
    }
    Value value = as_type(*found, column.type);
    if (column.type != Column::Type::kAny && std::holds_alternative<std::monostate>(value.data))
      throw Error(wanted + "a JSON " + found->type_name());
    checked.push_back({column.name, std::move(value)});
  }
  return checked;
}

}  // namespace tern::evals
