#include "datasets/value.h"

#include <string>

#include "datasets/error.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using namespace datasets;

TEST_CASE("values of all types, objects in their order") {
  const Value value = parse_value(
      R"({"b":[1,-2,2.5,true,null],"a":{"x":"\u00e4"},"b2":18446744073709551615})", "v");
  REQUIRE(value.object() != nullptr);
  CHECK(value.object()->at(0).key == "b");
  CHECK(value.object()->at(1).key == "a");
  const Value::List& list = *value.find("b")->list();
  CHECK(*list[0].integer() == 1);
  CHECK(*list[1].integer() == -2);
  CHECK(list[2].integer() == nullptr);
  CHECK(list[2] == Value(2.5));
  CHECK(*list[3].boolean());
  CHECK(list[4] == Value());
  CHECK(*value.find("a")->find("x")->text() == "\xc3\xa4");
  CHECK(value.find("b2")->type_name() == std::string("number"));
  CHECK(value.find("c") == nullptr);
  CHECK(list[0].find("c") == nullptr);
}

TEST_CASE("equal values are equal member by member, in order") {
  const auto parsed = [](const char* text) { return parse_value(text, "v"); };
  CHECK(parsed(R"({"a":[1,"x"]})") == parsed(R"({"a":[1,"x"]})"));
  CHECK_FALSE(parsed(R"({"a":1,"b":2})") == parsed(R"({"b":2,"a":1})"));
  CHECK_FALSE(parsed("1") == parsed("\"1\""));
  CHECK_FALSE(parsed("[1]") == parsed("[1,1]"));
}

TEST_CASE("what is no value, and what is nested too deep, is refused by name") {
  CHECK_THROWS_WITH(parse_value("{", "quiz.json"),
                    Catch::Contains("quiz.json: expected a JSON value"));
  CHECK_THROWS_AS(parse_value("", "v"), FormatError);
  CHECK_THROWS_AS(parse_value("1 2", "v"), FormatError);
  const auto nested = [](int depth) {
    const auto n = static_cast<std::size_t>(depth);
    return std::string(n, '[') + std::string(n, ']');
  };
  CHECK_NOTHROW(parse_value(nested(kDeepestValue), "v"));
  CHECK_THROWS_WITH(parse_value(nested(100'000), "v"), Catch::Contains("at most 64 levels"));
}

}  // namespace
}  // namespace tern::tests
