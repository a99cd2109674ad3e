#include "datasets/jsonl.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "datasets/error.h"
#include "tests/datasets/temporary_data.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using datasets::FormatError;
using datasets::JsonlPlace;
using datasets::parse_jsonl;
using nlohmann::json;
using Lines = std::vector<std::pair<int, json>>;

Lines parsed(std::string_view text) {
  Lines lines;
  parse_jsonl(text, "a.jsonl", [&](const JsonlPlace& place, const json& line) {
    lines.emplace_back(place.line, line);
  });
  return lines;
}

std::string message_of(std::string_view text, const char* key) {
  try {
    parse_jsonl(text, "a.jsonl",
                [&](const JsonlPlace& place, const json& line) { string_field(place, line, key); });
  } catch (const FormatError& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("lines are values, numbered as an editor numbers them") {
  CHECK(parsed("").empty());
  CHECK(parsed("\n \t\r\n").empty());
  CHECK(parsed("1") == Lines{{1, 1}});
  CHECK(parsed("{\"a\":1}\n\n[2]\n") == Lines{{1, {{"a", 1}}}, {3, json::array({2})}});
  CHECK(parsed("1\r\n2\r\n") == Lines{{1, 1}, {2, 2}});
}

TEST_CASE("escapes and separators of Unicode do not end a line") {
  CHECK(parsed("\"a\\nb\xe2\x80\xa8\\u00e9\\ud83d\\ude00\"") ==
        Lines{{1, "a\nb\xe2\x80\xa8\xc3\xa9\xf0\x9f\x98\x80"}});
}

TEST_CASE("a line that is not JSON is named") {
  const auto* const bad = GENERATE("{\"a\":", "{\"a\":1} x", "nan", "\"\xff\"", "'a'", "{\"a\":1,}",
                                   "\"\\ud800\"", "1e999");
  INFO(bad);
  const std::string message = message_of("{\"a\":\"b\"}\n\n" + std::string(bad) + "\n", "a");
  CHECK_THAT(message,
             Catch::Contains("a.jsonl, line 3: expected a JSON value, got something else"));
}

TEST_CASE("a missing key and a wrong type are named") {
  CHECK(message_of("{\"b\":1}", "a") ==
        "a.jsonl, line 1: expected a string \"a\", got an object without");
  CHECK(message_of("{\"a\":1}", "a") ==
        "a.jsonl, line 1: expected a string \"a\", got a JSON number");
  CHECK(message_of("[1]", "a") ==
        "a.jsonl, line 1: expected an object with \"a\", got a JSON array");
}

TEST_CASE("nesting is no way to exhaust the stack") {
  CHECK_THROWS_AS(parsed(std::string(1'000'000, '[')), FormatError);
}

TEST_CASE("a file that cannot be read is named") {
  const TemporaryData data;
  const auto ignore = [](const JsonlPlace&, const json&) {};
  CHECK_THROWS_WITH(datasets::read_jsonl(data.folder() / "none.jsonl", ignore),
                    Catch::Contains("none.jsonl: cannot be read: No such file or directory"));
  CHECK_THROWS_AS(datasets::read_jsonl(data.folder(), ignore), FormatError);
}

}  // namespace
}  // namespace tern::tests
