#pragma once
// The templates in which tasks say how a row becomes a prompt: text with {{expressions}}, written
// as in lm-evaluation-harness's task files, whose templates are Jinja2's. Of Jinja2 there are
// expressions only: fields (question, choices.text, choices[0]), "text", 12, [a, b], and these
// methods: strip, lstrip, rstrip, split(separator[, most]), index(of an element), capitalize,
// lower, wikitext_detokenize. Anything else is refused when the template is read.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/value.h"

namespace tern::evals {

struct Expression;  // of a template

class Template {
 public:
  // Throws Error, which says where in the source it is no template.
  explicit Template(std::string_view source);
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  const std::string& source() const noexcept { return source_; }

  // The text for a row; whole numbers and truth values are written as Python writes them. Throws
  // Error, which does not know the row's place, when the row lacks what the template names.
  std::string text(const datasets::Value& row) const;

  // The value of a template that is one expression and nothing else; of another, its text.
  datasets::Value value(const datasets::Value& row) const;

 private:
  struct Part;  // text, or an expression

  std::string source_;
  std::vector<Part> parts_;
};

}  // namespace tern::evals
