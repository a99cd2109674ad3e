#include "datasets/value.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>

#include "datasets/error.h"

namespace tern::datasets {

namespace {

using nlohmann::ordered_json;

Value converted(const ordered_json& json, const std::string& what, int depth) {
  if (json.is_structured() && depth >= kDeepestValue) {
    throw FormatError(what + ": expected at most " + std::to_string(kDeepestValue) +
                      " levels of arrays and objects, got more");
  }
  switch (json.type()) {
    case ordered_json::value_t::boolean:
      return json.get<bool>();
    case ordered_json::value_t::number_integer:
      return json.get<std::int64_t>();
    case ordered_json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        return json.get<double>();
      return json.get<std::int64_t>();
    case ordered_json::value_t::number_float:
      return json.get<double>();
    case ordered_json::value_t::string:
      return json.get<std::string>();
    case ordered_json::value_t::array: {
      Value::List list;
      for (const ordered_json& element : json) list.push_back(converted(element, what, depth + 1));
      return list;
    }
    case ordered_json::value_t::object: {
      Value::Object object;
      for (const auto& [key, value] : json.items())
        object.push_back({key, converted(value, what, depth + 1)});
      return object;
    }
    default:
      return {};
  }
}

}  // namespace

// Not in the class: there Member is still unknown.
Value::Value(bool value) : data(value) {}
Value::Value(std::int64_t value) : data(value) {}
Value::Value(double value) : data(value) {}
Value::Value(std::string value) : data(std::move(value)) {}
Value::Value(const char* value) : data(std::string(value)) {}
Value::Value(List value) : data(std::move(value)) {}
Value::Value(Object value) : data(std::move(value)) {}

const Value* Value::find(std::string_view key) const noexcept {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  const auto found = std::find_if(members->begin(), members->end(),
                                  [&](const Member& member) { return member.key == key; });
  return found == members->end() ? nullptr : &found->value;
}

const char* Value::type_name() const noexcept {
  constexpr std::array kNames = {"null",   "boolean", "number", "number",
                                 "string", "array",   "object"};
  return kNames[data.index()];
}

bool operator==(const Member& a, const Member& b) { return a.key == b.key && a.value == b.value; }

bool operator==(const Value& a, const Value& b) { return a.data == b.data; }

Value parse_value(std::string_view text, const std::string& what) {
  ordered_json json;
  try {
    json = ordered_json::parse(text);
  } catch (const ordered_json::exception& error) {
    const auto* parse = dynamic_cast<const ordered_json::parse_error*>(&error);
    throw FormatError(
        what + ": expected a JSON value, got something else" +
        (parse != nullptr ? " from byte " + std::to_string(parse->byte) + " on" : ""));
  }
  return converted(json, what, 0);
}

}  // namespace tern::datasets
