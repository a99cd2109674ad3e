#include "evals/template.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <optional>
#include <utility>

#include "evals/error.h"
#include "evals/regex.h"
#include "evals/text.h"
#include "evals/wikitext.h"

namespace tern::evals {

using datasets::Value;

namespace {

// An integer as an index of a list, Python's negative ones included.
const Value& element(const Value& list, std::int64_t index) {
  const Value::List& values = *list.list();
  const auto size = static_cast<std::int64_t>(values.size());
  const std::int64_t from_start = index < 0 ? index + size : index;
  if (from_start < 0 || from_start >= size) {
    throw Error("expected an element " + std::to_string(index) + ", got a list of " +
                std::to_string(size));
  }
  return values[static_cast<std::size_t>(from_start)];
}

const Value& field(const Value& object, const std::string& key) {
  if (const Value* found = object.find(key)) return *found;
  throw Error("expected a field \"" + key + "\", got " +
              (object.object() != nullptr ? "an object without"
                                          : std::string("a JSON ") + object.type_name()));
}

std::string as_text(const Value& value) {
  if (const std::string* text = value.text()) return *text;
  if (const std::int64_t* integer = value.integer()) return std::to_string(*integer);
  if (const bool* boolean = value.boolean()) return *boolean ? "True" : "False";
  throw Error(std::string("expected a string or a whole number, got a JSON ") + value.type_name());
}

const std::string& string_of(const Value& value, const char* method) {
  if (const std::string* text = value.text()) return *text;
  throw Error(std::string("expected a string for ") + method + "(), got a JSON " +
              value.type_name());
}

using Arguments = std::vector<Value>;

std::string_view strip_start(std::string_view text) {
  const std::string_view stripped = strip(text);
  if (stripped.empty()) return "";
  return text.substr(static_cast<std::size_t>(stripped.data() - text.data()));
}

Value split(const std::string& text, const Arguments& arguments) {
  const std::string* separator = arguments[0].text();
  if (separator == nullptr || separator->empty())
    throw Error("expected a separator that is a text for split(), got none");
  std::int64_t most = -1;
  if (arguments.size() > 1) {
    if (arguments[1].integer() == nullptr)
      throw Error("expected a whole number as the second argument of split()");
    most = *arguments[1].integer();
  }
  Value::List pieces;
  std::size_t begin = 0;
  for (std::size_t at; most-- != 0 && (at = text.find(*separator, begin)) != std::string::npos;
       begin = at + separator->size()) {
    pieces.emplace_back(text.substr(begin, at - begin));
  }
  pieces.emplace_back(text.substr(begin));
  return pieces;
}

Value index(const Value& list, const Value& wanted) {
  if (list.list() == nullptr)
    throw Error(std::string("expected a list for index(), got a JSON ") + list.type_name());
  const auto found = std::find(list.list()->begin(), list.list()->end(), wanted);
  if (found == list.list()->end()) {
    throw Error("expected a list with " +
                (wanted.text() != nullptr ? "\"" + *wanted.text() + "\"" : as_text(wanted)) +
                ", got one without");
  }
  return static_cast<std::int64_t>(found - list.list()->begin());
}

struct Method {
  std::string_view name;
  std::size_t least, most;  // arguments
  Value (*call)(const Value& self, const Arguments& arguments);
};

constexpr std::array<Method, 8> kMethods = {{
    {"strip", 0, 0,
     [](const Value& self, const Arguments&) -> Value {
       return std::string(strip(string_of(self, "strip")));
     }},
    {"lstrip", 0, 0,
     [](const Value& self, const Arguments&) -> Value {
       return std::string(strip_start(string_of(self, "lstrip")));
     }},
    {"rstrip", 0, 0,
     [](const Value& self, const Arguments&) -> Value {
       return std::string(strip_end(string_of(self, "rstrip")));
     }},
    {"split", 1, 2,
     [](const Value& self, const Arguments& arguments) {
       return split(string_of(self, "split"), arguments);
     }},
    {"index", 1, 1,
     [](const Value& self, const Arguments& arguments) { return index(self, arguments[0]); }},
    {"capitalize", 0, 0,
     [](const Value& self, const Arguments&) -> Value {
       return capitalize(string_of(self, "capitalize"));
     }},
    {"lower", 0, 0,
     [](const Value& self, const Arguments&) -> Value {
       return lower_case(string_of(self, "lower"));
     }},
    {"wikitext_detokenize", 0, 0,
     [](const Value& self, const Arguments&) -> Value {
       return wikitext_detokenize(string_of(self, "wikitext_detokenize"));
     }},
}};

std::string method_names() {
  std::string names;
  for (const Method& method : kMethods) names.append(names.empty() ? "" : ", ").append(method.name);
  return names;
}

}  // namespace

// A node of an expression's tree.
struct Expression {
  enum class Kind { kField, kConstant, kList, kMember, kElement, kCall };
  Kind kind = Kind::kConstant;
  std::string name;                  // kField: of the row; kMember: of `children[0]`
  Value constant;                    // kConstant
  const Method* method = nullptr;    // kCall, of `children[0]` with the others as arguments
  std::vector<Expression> children;  // kList: the elements; kElement: a value and an index

  Value evaluate(const Value& row) const {
    switch (kind) {
      case Kind::kField:
        return field(row, name);
      case Kind::kConstant:
        return constant;
      case Kind::kList: {
        Value::List list;
        for (const Expression& child : children) list.push_back(child.evaluate(row));
        return list;
      }
      case Kind::kMember:
        return field(children[0].evaluate(row), name);
      case Kind::kElement:
        return subscript(children[0].evaluate(row), children[1].evaluate(row));
      case Kind::kCall:
        break;
    }
    Arguments arguments;
    for (std::size_t i = 1; i < children.size(); ++i)
      arguments.push_back(children[i].evaluate(row));
    return method->call(children[0].evaluate(row), arguments);
  }

  static Value subscript(const Value& value, const Value& key) {
    if (const std::string* name = key.text()) return field(value, *name);
    if (key.integer() == nullptr || value.list() == nullptr) {
      throw Error(std::string("expected a list and a whole number in [], got a JSON ") +
                  value.type_name() + " and a JSON " + key.type_name());
    }
    return element(value, *key.integer());
  }
};

namespace {

// Nested brackets and arguments, so that no template can exhaust the stack.
constexpr int kDeepest = 32;

class Parser {
 public:
  explicit Parser(std::string_view source) : source_(source) {}

  // Literal text up to the next "{{" or the end.
  std::string literal() {
    const std::size_t end = std::min(source_.find("{{", at_), source_.size());
    const std::string_view text = source_.substr(at_, end - at_);
    if (text.find("{%") != std::string_view::npos || text.find("{#") != std::string_view::npos)
      fail("text and {{expressions}}, as there are no statements and comments");
    at_ = end;
    return std::string(text);
  }

  bool done() const { return at_ == source_.size(); }

  Expression braced() {
    at_ += 2;  // "{{"
    Expression expression = parse();
    space();
    if (source_.substr(at_, 2) != "}}") fail("}}");
    at_ += 2;
    return expression;
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    const std::string rest(source_.substr(at_, 20));
    throw Error("template \"" + std::string(source_) + "\": expected " + expected + " at byte " +
                std::to_string(at_) + ", got " + (rest.empty() ? "its end" : "\"" + rest + "\""));
  }

  void space() {
    while (at_ < source_.size() && std::string_view(" \t\n\r").find(source_[at_]) != source_.npos)
      ++at_;
  }

  bool take(char c) {
    space();
    if (at_ == source_.size() || source_[at_] != c) return false;
    ++at_;
    return true;
  }

  static bool starts_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }
  static bool digit(char c) { return c >= '0' && c <= '9'; }

  std::optional<std::string> name() {
    space();
    if (at_ == source_.size() || !starts_name(source_[at_])) return std::nullopt;
    const std::size_t begin = at_;
    while (at_ < source_.size() && (starts_name(source_[at_]) || digit(source_[at_]))) ++at_;
    return std::string(source_.substr(begin, at_ - begin));
  }

  Expression parse() {
    if (++depth_ > kDeepest)
      fail("at most " + std::to_string(kDeepest) + " brackets in each other");
    Expression expression = primary();
    for (int links = 0;; ++links) {
      if (links > kDeepest) fail("at most " + std::to_string(kDeepest) + " links of a chain");
      if (take('.')) {
        expression = member(std::move(expression));
      } else if (take('[')) {
        Expression index = parse();
        if (!take(']')) fail("]");
        expression = {Expression::Kind::kElement, "", {}, nullptr, both(expression, index)};
      } else {
        --depth_;
        return expression;
      }
    }
  }

  static std::vector<Expression> both(Expression& a, Expression& b) {
    std::vector<Expression> children;
    children.push_back(std::move(a));
    children.push_back(std::move(b));
    return children;
  }

  Expression member(Expression self) {
    const std::optional<std::string> key = name();
    if (!key) fail("a name");
    std::vector<Expression> children;
    children.push_back(std::move(self));
    if (!take('(')) return {Expression::Kind::kMember, *key, {}, nullptr, std::move(children)};
    const auto method = std::find_if(kMethods.begin(), kMethods.end(),
                                     [&](const Method& known) { return known.name == *key; });
    if (method == kMethods.end()) fail("one of the methods " + method_names() + " before here");
    elements(')', children);
    const std::size_t arguments = children.size() - 1;
    if (arguments < method->least || arguments > method->most) {
      fail(std::to_string(method->least) + " to " + std::to_string(method->most) +
           " arguments of " + *key + " before here");
    }
    return {Expression::Kind::kCall, "", {}, &*method, std::move(children)};
  }

  void elements(char end, std::vector<Expression>& list) {
    if (take(end)) return;
    do list.push_back(parse());
    while (take(','));
    if (!take(end)) fail(std::string(", or ") + end);
  }

  Expression primary() {
    if (take('[')) {
      Expression list{Expression::Kind::kList, "", {}, nullptr, {}};
      elements(']', list.children);
      return list;
    }
    if (const std::optional<std::string> key = name())
      return {Expression::Kind::kField, *key, {}, nullptr, {}};
    if (at_ < source_.size() && (source_[at_] == '\'' || source_[at_] == '"')) return quoted();
    return integer();
  }

  // Escapes are those of JSON's strings that a description can need; there are few.
  Expression quoted() {
    const char quote = source_[at_++];
    std::string text;
    while (at_ < source_.size() && source_[at_] != quote) {
      char c = source_[at_++];
      if (c == '\\') {
        constexpr std::string_view kEscapes = "n\nt\tr\r\\\\'\'\"\"";
        std::size_t known = 0;
        while (known < kEscapes.size() &&
               (at_ == source_.size() || kEscapes[known] != source_[at_]))
          known += 2;
        if (known == kEscapes.size()) fail("one of the escapes \\n \\t \\r \\\\ \\' \\\"");
        c = kEscapes[known + 1];
        ++at_;
      }
      text += c;
    }
    if (at_ == source_.size()) fail(std::string(1, quote));
    ++at_;
    return {Expression::Kind::kConstant, "", std::move(text), nullptr, {}};
  }

  Expression integer() {
    std::int64_t value = 0;
    const char* begin = source_.data() + at_;
    const auto [end, error] = std::from_chars(begin, source_.data() + source_.size(), value);
    if (error != std::errc()) fail("a field, a text, a whole number or a list");
    at_ += static_cast<std::size_t>(end - begin);
    return {Expression::Kind::kConstant, "", value, nullptr, {}};
  }

  std::string_view source_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

struct Template::Part {
  std::string literal;
  std::optional<Expression> expression;
};

Template::Template(std::string_view source) : source_(source) {
  Parser parser(source_);
  while (!parser.done()) {
    if (std::string literal = parser.literal(); !literal.empty())
      parts_.push_back({std::move(literal), std::nullopt});
    if (!parser.done()) parts_.push_back({"", parser.braced()});
  }
}

Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

std::string Template::text(const Value& row) const {
  std::string text;
  for (const Part& part : parts_)
    text += part.expression ? as_text(part.expression->evaluate(row)) : part.literal;
  return text;
}

Value Template::value(const Value& row) const {
  if (parts_.size() == 1 && parts_[0].expression) return parts_[0].expression->evaluate(row);
  return text(row);
}

}  // namespace tern::evals
