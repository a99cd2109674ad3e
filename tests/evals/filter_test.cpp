#include "evals/filter.h"

#include <string>
#include <vector>

#include "evals/error.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using namespace evals;

constexpr const char* kNumber = R"((-?[$0-9.,]{2,})|(-?[0-9]+))";

TEST_CASE("the first match or the last") {
  const RegexFilter first("first", "([0-9]+)", RegexFilter::Select::kFirst);
  const RegexFilter last("last", "([0-9]+)", RegexFilter::Select::kLast);
  CHECK(first.apply("1 of 2 of 3") == "1");
  CHECK(last.apply("1 of 2 of 3") == "3");
}

TEST_CASE("of several groups the first that is not empty") {
  const RegexFilter filter("flexible-extract", kNumber, RegexFilter::Select::kLast);
  CHECK(filter.apply("it costs $1,234.50 or 7") == "7");
  CHECK(filter.apply("7 or $1,234.50.") == "$1,234.50.");
  CHECK(filter.apply("-12") == "-12");
  CHECK(filter.apply("wait ..") == "..");
}

TEST_CASE("nothing found is invalid") {
  const RegexFilter filter("flexible-extract", kNumber, RegexFilter::Select::kLast);
  CHECK(filter.apply("") == "[invalid]");
  CHECK(filter.apply("no number, none.") == "[invalid]");
  const RegexFilter empty_groups("x", "(a*)(b*)", RegexFilter::Select::kFirst);
  CHECK(empty_groups.apply("c") == "[invalid]");
}

TEST_CASE("what is found is stripped") {
  CHECK(RegexFilter("x", "is(.*)$", RegexFilter::Select::kFirst).apply("it is\t 4 ") == "4");
}

// Of gsm8k.
double exact_number_match(std::string_view prediction, std::string_view reference) {
  const std::vector<std::string> ignored = {",", "\\$", "(?s).*#### ", "\\.$"};
  return ExactMatch(ignored, true)(prediction, reference);
}

TEST_CASE("numbers match but for commas, dollars, the solution before them and one dot") {
  CHECK(exact_number_match("$1,234.", "so\n#### 1234") == 1);
  CHECK(exact_number_match("1234.0", "#### 1234") == 0);
  CHECK(exact_number_match("7..", "7") == 0);
  CHECK(exact_number_match("ABC", "abc") == 1);
  CHECK(exact_number_match("5 ", "5") == 0);
  CHECK(exact_number_match("[invalid]", "#### 3") == 0);
  CHECK(exact_number_match("a #### b", "b") == 1);
}

TEST_CASE("without patterns and with case, texts match as they are") {
  const ExactMatch exact({}, false);
  CHECK(exact("a", "a") == 1);
  CHECK(exact("A", "a") == 0);
  CHECK(exact("1,2", "12") == 0);
}

TEST_CASE("another fallback, and a pattern that is none") {
  CHECK(RegexFilter("x", "[0-9]", RegexFilter::Select::kFirst, "none").apply("a") == "none");
  CHECK_THROWS_WITH(RegexFilter("x", "(", RegexFilter::Select::kFirst),
                    Catch::Contains("pattern (: expected a regular expression, got an error at"));
}

}  // namespace
}  // namespace tern::tests
