#include "evals/template.h"

#include "evals/error.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using namespace evals;
using datasets::Value;

Value row() {
  return datasets::parse_value(R"({"q": " why? ", "n": 3, "yes": true, "x": null, "f": 1.5,
      "choices": {"text": ["a", "b c"], "label": ["A", "B"]}, "key": "B", "list": ["p", "q", "r"],
      "answer": "2+3=5\n#### 5"})",
                               "row");
}

std::string text(const char* source) { return Template(source).text(row()); }

TEST_CASE("text and fields") {
  CHECK(text("") == "");
  CHECK(text("plain } { text") == "plain } { text");
  CHECK(text("Q:{{q}}\nA:") == "Q: why? \nA:");
  CHECK(text("{{ n }}{{yes}}") == "3True");
  CHECK(text("{{list[0]}}{{list[-1]}}{{ choices.text[1] }}{{choices['label'][0]}}") == "prb cA");
}

TEST_CASE("methods") {
  CHECK(text("[{{q.strip()}}][{{q.lstrip()}}][{{q.rstrip()}}]") == "[why?][why? ][ why?]");
  CHECK(text("{{answer.split('####')[-1].strip()}}") == "5");
  CHECK(text("{{'a_b_c'.split('_', 1)[1]}}{{\"a\".split('x')[0]}}{{'ab'.split('a')[0]}}") ==
        "b_ca");
  CHECK(text("{{'\\n\\t\\'\\\\'}}") == "\n\t'\\");
  CHECK(text("{{'\xc3\xa9T\xc3\x89'.capitalize()}}{{'AB'.lower()}}") ==
        "\xc3\x89t\xc3\xa9"
        "ab");
  CHECK(*Template("{{choices.label.index(key)}}").value(row()).integer() == 1);
}

TEST_CASE("one expression has a value, a text around it makes it a text") {
  const Value list = Template("{{[q, key]}}").value(row());
  REQUIRE(list.list() != nullptr);
  CHECK(list == Value(Value::List{" why? ", "B"}));
  CHECK(*Template("{{n}}").value(row()).integer() == 3);
  CHECK(*Template("{{n}} ").value(row()).text() == "3 ");
}

TEST_CASE("a row that lacks what a template names") {
  const auto wrong = [](const char* source, const char* says) {
    INFO(source);
    CHECK_THROWS_WITH(text(source), Catch::Contains(says));
  };
  wrong("{{none}}", "expected a field \"none\", got an object without");
  wrong("{{q.text}}", "expected a field \"text\", got a JSON string");
  wrong("{{list[3]}}", "expected an element 3, got a list of 3");
  wrong("{{q[0]}}", "expected a list and a whole number in []");
  wrong("{{list}}", "expected a string or a whole number, got a JSON array");
  wrong("{{x}}", "got a JSON null");
  wrong("{{f}}", "got a JSON number");
  wrong("{{n.strip()}}", "expected a string for strip(), got a JSON number");
  wrong("{{list.index(key)}}", "expected a list with \"B\"");
  wrong("{{q.split('')}}", "expected a separator");
}

TEST_CASE("what is no template is refused where it goes wrong") {
  const auto refused = [](const std::string& source, const char* says) {
    INFO(source);
    CHECK_THROWS_WITH(Template(source), Catch::Contains(says));
  };
  refused("a{{q", "expected }} at byte 4, got its end");
  refused("{{}}", "expected a field, a text, a whole number or a list");
  refused("{{q.}}", "expected a name");
  refused("{{q.strip(}}", "expected a field");
  refused("{{q.upper()}}", "expected one of the methods strip, lstrip");
  refused("{{q.strip(1)}}", "0 to 0 arguments of strip");
  refused("{{q if n}}", "expected }} at byte 4");
  refused("{% if q %}", "no statements");
  refused("{{'a}}", "expected '");
  refused("{{'\\x'}}", "one of the escapes");
  refused("{{" + std::string(100'000, '[') + "}}", "at most 32 brackets");
}

}  // namespace
}  // namespace tern::tests
