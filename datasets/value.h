#pragma once
// A JSON value as a plain type, so that rows of any dataset and descriptions of tasks can be read
// without their reader knowing a JSON library. Objects keep the order of their keys.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tern::datasets {

struct Member;

struct Value {
  using List = std::vector<Value>;
  using Object = std::vector<Member>;

  Value() = default;  // null
  Value(bool value);
  Value(std::int64_t value);
  Value(double value);
  Value(std::string value);
  Value(const char* value);
  Value(List value);
  Value(Object value);

  // Null where the value is of another type.
  const bool* boolean() const noexcept { return std::get_if<bool>(&data); }
  const std::int64_t* integer() const noexcept { return std::get_if<std::int64_t>(&data); }
  const std::string* text() const noexcept { return std::get_if<std::string>(&data); }
  const List* list() const noexcept { return std::get_if<List>(&data); }
  const Object* object() const noexcept { return std::get_if<Object>(&data); }
  // The value under a key; null where this is no object or has no such key.
  const Value* find(std::string_view key) const noexcept;

  // As JSON names it: "null", "boolean", "number", "string", "array" or "object".
  const char* type_name() const noexcept;

  std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Object> data;
};

struct Member {
  std::string key;
  Value value;
};

// Objects are equal with equal members in the same order.
bool operator==(const Value& a, const Value& b);

// Deepest nesting of arrays and objects that is read.
inline constexpr int kDeepestValue = 64;

// One JSON value. Throws FormatError, naming `what` (a file, a line of it), when the text is not
// one JSON value, or is nested deeper than kDeepestValue.
Value parse_value(std::string_view text, const std::string& what);

}  // namespace tern::datasets
