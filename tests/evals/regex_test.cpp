#include "evals/regex.h"

#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using namespace evals;
using All = std::vector<Regex::Groups>;

TEST_CASE("findall gives groups, or the whole match where there are none") {
  CHECK(Regex("[0-9]+").find_all("a1b23") == All{{"1"}, {"23"}});
  CHECK(Regex("b([0-9])").find_all("b1b2") == All{{"1"}, {"2"}});
  CHECK(Regex("(a)|(b)|(c)").find_all("bac") == All{{"", "b", ""}, {"a", "", ""}, {"", "", "c"}});
  CHECK(Regex("a").find_all("bbb").empty());
  CHECK(Regex("a").find_all("").empty());
}

TEST_CASE("empty matches stand where Python finds them") {
  CHECK(Regex("x*").find_all("axb") == All{{""}, {"x"}, {""}, {""}});
  CHECK(Regex("a|").find_all("ba") == All{{""}, {"a"}, {""}});
  CHECK(Regex("").find_all("") == All{{""}});
}

TEST_CASE("digits are ASCII digits") {
  CHECK(Regex("[0-9]+").find_all("\xd9\xa3 \xef\xbc\x95 7") == All{{"7"}});
}

TEST_CASE("removal") {
  CHECK(Regex(",").remove_all(",1,234,") == "1234");
  CHECK(Regex("(?s).*#### ").remove_all("a\n#### b #### c") == "c");
  CHECK(Regex("(?s).*#### ").remove_all("a####b") == "a####b");
  CHECK(Regex("\\.$").remove_all("7..") == "7.");
  CHECK(Regex("\\.$").remove_all("7.\n") == "7\n");
  CHECK(Regex("\\.$").remove_all("7.\n\n") == "7.\n\n");
  CHECK(Regex("a").remove_all("") == "");
}

TEST_CASE("bytes that are not UTF-8 pass through") {
  CHECK(Regex("[0-9]+").find_all("\xff"
                                 "12\xc3") == All{{"12"}});
  CHECK(Regex(",").remove_all("\xff,\xc3") == "\xff\xc3");
}

TEST_CASE("lower case") {
  CHECK(lower_case("aBZ[@1") == "abz[@1");
  CHECK(lower_case("\xc3\x89\xce\xa9 \xd0\x96X\n\xc3\xa9") ==
        "\xc3\xa9\xcf\x89 \xd0\xb6x\n\xc3\xa9");
  CHECK(lower_case("\xffX") == "\xffx");
  CHECK(lower_case("") == "");
}

}  // namespace
}  // namespace tern::tests
