#pragma once
// JSON Lines: one JSON value per line. Errors name the file and the line.

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace tern::datasets {

// Where a value stands: "gsm8k/test.jsonl, line 3".
struct JsonlPlace {
  std::string_view file;
  int line = 0;  // from 1

  std::string text() const;
};

using LineVisitor = std::function<void(const JsonlPlace&, std::string_view)>;

// Calls `visit` with every line of `text` in order, without its end. Lines of white space alone are
// skipped.
void each_line(std::string_view text, std::string_view file, const LineVisitor& visit);

using JsonlVisitor = std::function<void(const JsonlPlace&, const nlohmann::json&)>;

// Calls `visit` with every line of `text` in order. Lines of white space alone are skipped. Throws
// FormatError at the first line that is not JSON.
void parse_jsonl(std::string_view text, std::string_view file, const JsonlVisitor& visit);

// Throws FormatError when the file cannot be read, too.
void read_jsonl(const std::filesystem::path& path, const JsonlVisitor& visit);

// The string under `key` of an object. Throws FormatError, naming the place, when the line is no
// object or has no string there.
std::string string_field(const JsonlPlace& place, const nlohmann::json& line, const char* key);

}  // namespace tern::datasets
