#include "datasets/jsonl.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "datasets/error.h"
#include "datasets/manifest.h"

namespace tern::datasets {

namespace {

bool blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

nlohmann::json parse_line(std::string_view line, const JsonlPlace& place) {
  try {
    return nlohmann::json::parse(line);
  } catch (const nlohmann::json::exception& error) {
    const auto* parse = dynamic_cast<const nlohmann::json::parse_error*>(&error);
    throw FormatError(
        place.text() + ": expected a JSON value, got something else" +
        (parse != nullptr ? " from byte " + std::to_string(parse->byte) + " on" : ""));
  }
}

}  // namespace

std::string JsonlPlace::text() const {
  return std::string(file) + ", line " + std::to_string(line);
}

void each_line(std::string_view text, std::string_view file, const LineVisitor& visit) {
  JsonlPlace place{file, 0};
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++place.line;
    if (!blank(line)) visit(place, line);
  }
}

void parse_jsonl(std::string_view text, std::string_view file, const JsonlVisitor& visit) {
  each_line(text, file, [&](const JsonlPlace& place, std::string_view line) {
    visit(place, parse_line(line, place));
  });
}

void read_jsonl(const std::filesystem::path& path, const JsonlVisitor& visit) {
  parse_jsonl(read_file(path), path.string(), visit);
}

std::string string_field(const JsonlPlace& place, const nlohmann::json& line, const char* key) {
  if (!line.is_object()) {
    throw FormatError(place.text() + ": expected an object with \"" + key + "\", got a JSON " +
                      line.type_name());
  }
  const auto found = line.find(key);
  if (found == line.end())
    throw FormatError(place.text() + ": expected a string \"" + key + "\", got an object without");
  if (!found->is_string()) {
    throw FormatError(place.text() + ": expected a string \"" + key + "\", got a JSON " +
                      found->type_name());
  }
  return found->get<std::string>();
}

}  // namespace tern::datasets
