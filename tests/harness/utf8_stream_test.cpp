#include "harness/utf8_stream.h"

#include "tests/support/catch.h"

using tern::harness::Utf8Stream;

namespace {

// The text given in pieces of one byte each: what comes out whole, and at which byte.
std::string stream(const std::string& text) {
  Utf8Stream utf8;
  std::string out;
  for (const char c : text) out += utf8.push(std::string(1, c)) + "|";
  return out + utf8.finish();
}

}  // namespace

TEST_CASE("characters come out whole", "[utf8]") {
  CHECK(stream("") == "");
  CHECK(stream("ab") == "a|b|");
  CHECK(stream("\u00e9x") == "|\u00e9|x|");
  CHECK(stream("\u4e2d") == "||\u4e2d|");
  CHECK(stream("\U0001F600") == "|||\U0001F600|");
  Utf8Stream utf8;
  CHECK(utf8.push("a\xe4\xb8") == "a");
  CHECK(utf8.push("\xad"
                  "b\xf0") ==
        "\u4e2d"
        "b");
  CHECK(utf8.push("") == "");
  CHECK(utf8.finish() == "\ufffd");
  CHECK(utf8.finish() == "");
}

TEST_CASE("what is no character becomes U+FFFD at once", "[utf8]") {
  CHECK(stream("\xff") == "\ufffd|");
  CHECK(stream("\x80") == "\ufffd|");
  CHECK(stream("\xc0\xa0") == "\ufffd|\ufffd|");             // overlong
  CHECK(stream("\xe0\x80") == "|\ufffd\ufffd|");             // overlong
  CHECK(stream("\xed\xa0\x80") == "|\ufffd\ufffd|\ufffd|");  // a surrogate
  CHECK(stream("\xf4\x90") == "|\ufffd\ufffd|");             // beyond the last code point
  CHECK(stream("\xe4\xb8x") == "||\ufffdx|");                // cut short
  CHECK(stream("\xe4\xb8") == "||\ufffd");
}
