#include "engine/tokenizer/json_node.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "engine/tensor.h"
#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {
namespace {

using Json = nlohmann::json;

std::string show(const Json& value) {
  if (value.is_string()) return quote_name(value.get_ref<const std::string&>());
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  return quote_name(value.dump());
}

}  // namespace

Json parse_json(std::string_view text, const std::string& origin) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    refuse_vocabulary("tokenizer", origin, "JSON",
                      "invalid JSON at byte " + std::to_string(error.byte));
  } catch (const Json::exception&) {
    refuse_vocabulary("tokenizer", origin, "JSON", "a number out of range");
  }
}

void JsonNode::refuse(const std::string& expected) const {
  refuse_vocabulary(path_.empty() ? "tokenizer" : path_, origin_, expected, show(value_));
}

void JsonNode::lacks(const std::string& key, const std::string& expected) const {
  refuse_vocabulary(path_of(key), origin_, expected, "no such key");
}

bool JsonNode::has(const std::string& key) const {
  const auto found = object().find(key);
  return found != object().end() && !found->is_null();
}

JsonNode JsonNode::at(const std::string& key, const std::string& expected) const {
  const auto found = object().find(key);
  if (found == object().end()) lacks(key, expected);
  return {*found, path_of(key), origin_};
}

JsonNode JsonNode::at(std::size_t i) const {
  return {value_[i], path_ + "[" + std::to_string(i) + "]", origin_};
}

const Json& JsonNode::object() const {
  if (!value_.is_object()) refuse("an object");
  return value_;
}

std::size_t JsonNode::size() const {
  if (!value_.is_array()) refuse("a list");
  return value_.size();
}

const std::string& JsonNode::string() const {
  if (!value_.is_string()) refuse("a string");
  return value_.get_ref<const std::string&>();
}

int JsonNode::id() const {
  if (!value_.is_number_unsigned() ||
      value_.get<std::uint64_t>() > static_cast<std::uint64_t>(kMaxTokenId)) {
    refuse("an id from 0 to " + std::to_string(kMaxTokenId));
  }
  return value_.get<int>();
}

double JsonNode::number() const {
  if (!value_.is_number()) refuse("a number");
  return value_.get<double>();
}

bool JsonNode::is(std::string_view text) const { return value_ == Json(text); }

bool JsonNode::boolean(const std::string& key, bool absent) const {
  if (!has(key)) return absent;
  const JsonNode node = at(key, "true or false");
  if (!node.value_.is_boolean()) node.refuse("true or false");
  return node.value_.get<bool>();
}

void JsonNode::require(const std::string& key, bool wanted, bool absent) const {
  const char* const text = wanted ? "true" : "false";
  if (!object().contains(key)) {
    if (wanted != absent) lacks(key, text);
  } else if (const JsonNode node = at(key, text); node.value_ != Json(wanted)) {
    node.refuse(text);
  }
}

void JsonNode::require(const std::string& key, std::string_view wanted) const {
  const std::string expected = quote_name(wanted);
  if (const JsonNode node = at(key, expected); !node.is(wanted)) node.refuse(expected);
}

void JsonNode::require_none(const std::string& key) const {
  if (!has(key)) return;
  const JsonNode node = at(key, "");
  const Json& v = node.value_;
  if (v != Json(false) && v != Json("") && !(v.is_number() && v == Json(0)))
    node.refuse("none of it, which is not supported");
}

std::string JsonNode::path_of(const std::string& key) const {
  return path_.empty() ? key : path_ + "." + key;
}

}  // namespace tern::engine
