#include "evals/text.h"

#include <vector>

#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using namespace evals;
using namespace std::string_literals;

TEST_CASE("characters are code points") {
  CHECK(code_points("") == 0);
  CHECK(code_points("abc ") == 4);
  CHECK(code_points("caf\xc3\xa9") == 4);
  CHECK(code_points("\xe4\xb8\xad\xe6\x96\x87") == 2);
  CHECK(code_points("\xf0\x9f\x98\x80!") == 2);
  CHECK(code_points("e\xcc\x81") == 2);  // a combining accent is a character of its own
  CHECK(code_points("a\0b"s) == 3);
}

TEST_CASE("each byte outside well-formed UTF-8 is one character") {
  CHECK(code_points("\xff\xfe") == 2);
  CHECK(code_points("\xe4\xb8") == 2);          // cut short
  CHECK(code_points("\xc0\xaf") == 2);          // overlong
  CHECK(code_points("\xe0\x80\xaf") == 3);      // overlong
  CHECK(code_points("\xed\xa0\x80") == 3);      // a surrogate
  CHECK(code_points("\xf4\x90\x80\x80") == 4);  // past U+10FFFF
  CHECK(code_points("\xc3(") == 2);
}

TEST_CASE("stripping takes Python's white space") {
  CHECK(strip("  a b \n") == "a b");
  CHECK(strip("\x1c\x1f\v\f\r\t") == "");
  CHECK(strip("\x1b") == "\x1b");
  CHECK(strip_end(" a\xc2\xa0\xe2\x80\x83\xe3\x80\x80") == " a");
  CHECK(strip_end("a\xe2\x80\x8b") == "a\xe2\x80\x8b");  // zero-width space is none
  CHECK(strip_end("a\xa0") == "a\xa0");                  // not UTF-8
  CHECK(strip("") == "");
}

TEST_CASE("white space at the end of a context moves to the continuation") {
  const auto moved = [](std::string_view context, std::string_view continuation) {
    const ContextPair pair = move_trailing_space(context, continuation);
    return std::vector<std::string>{pair.context, pair.continuation};
  };
  using Pair = std::vector<std::string>;
  CHECK(moved("Answer:", " b") == Pair{"Answer:", " b"});
  CHECK(moved("Answer:  ", "b") == Pair{"Answer:", "  b"});
  CHECK(moved("abc\n\n", "def") == Pair{"abc", "\n\ndef"});
  CHECK(moved("a\xc2\xa0", "b") == Pair{"a",
                                        "\xc2\xa0"
                                        "b"});
  CHECK(moved("", " b") == Pair{"", " b"});
  CHECK(moved(" \n", "b") == Pair{"", " \nb"});
}

TEST_CASE("text is cut at each stop string in turn") {
  const std::vector<std::string> stops = {"Question:", "", "</s>"};
  CHECK(cut_at_stops("a</s>bQuestion:c", stops) == "a");
  CHECK(cut_at_stops("aQuestion:b</s>", stops) == "a");
  CHECK(cut_at_stops("Question:", stops) == "");
  CHECK(cut_at_stops("a question: Question", stops) == "a question: Question");
  CHECK(cut_at_stops("abc", {}) == "abc");
}

}  // namespace
}  // namespace tern::tests
