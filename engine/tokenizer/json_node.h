#pragma once
// A value in a JSON document somebody else wrote, with its path, so that a refusal names the key.
// All refusals are Error: "<path> in <origin>: expected …, got …".

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace tern::engine {

// Throws Error unless `text` is JSON.
nlohmann::json parse_json(std::string_view text, const std::string& origin);

class JsonNode {
 public:
  // Keeps references: `value` and `origin` must outlive it.
  JsonNode(const nlohmann::json& value, std::string path, const std::string& origin)
      : value_(value), path_(std::move(path)), origin_(origin) {}

  const nlohmann::json& value() const { return value_; }

  [[noreturn]] void refuse(const std::string& expected) const;
  [[noreturn]] void lacks(const std::string& key, const std::string& expected) const;

  bool has(const std::string& key) const;  // and not null
  JsonNode at(const std::string& key, const std::string& expected) const;
  JsonNode at(std::size_t i) const;

  // Refuse values of another type.
  const nlohmann::json& object() const;
  std::size_t size() const;  // of a list
  const std::string& string() const;
  int id() const;  // 0 to kMaxTokenId
  double number() const;

  bool is(std::string_view text) const;  // the string `text`
  // A switch; absent or null counts as `absent`.
  bool boolean(const std::string& key, bool absent) const;
  // A switch that must be `wanted`; absent counts as `absent`.
  void require(const std::string& key, bool wanted, bool absent) const;
  void require(const std::string& key, std::string_view wanted) const;
  // Must be absent, null, false, 0 or "".
  void require_none(const std::string& key) const;

 private:
  std::string path_of(const std::string& key) const;

  const nlohmann::json& value_;
  std::string path_;
  const std::string& origin_;
};

}  // namespace tern::engine
