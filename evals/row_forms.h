#pragma once
// Rows of a dataset in the form a task's templates expect: columns checked, and the few datasets
// whose published files have another form than the one lm-evaluation-harness reads.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/rows.h"
#include "datasets/value.h"

namespace tern::evals {

struct Column {
  enum class Type { kAny, kString, kInteger, kList, kObject };
  std::string name;
  Type type = Type::kAny;
  bool optional = false;
};

// "string", "integer", "list", "object" or "any", with "?" behind where a row may lack it. Throws
// Error naming these.
Column parse_column(std::string name, std::string_view type);

// A change of a row that a description asks for by name.
using RowForm = datasets::Value (*)(const datasets::Value& row);
// Throws Error naming all forms when there is none of that name. There are
//   ai2_question  ARC and OpenBookQA as AI2 distributes them: {"question": {"stem": …, "choices":
//                 [{"text": …, "label": …}]}} becomes question and question_stem, and choices
//                 {"text": […], "label": […]}; rows that have this form already stay as they are;
//   hellaswag     adds query, choices and gold, of which lm-evaluation-harness makes its prompts.
RowForm find_row_form(std::string_view name);

// The columns of a row, in their order; a column of strings takes a whole number, and one of whole
// numbers a truth value (1 or 0), as the published files of one dataset differ in that. Throws
// Error, which does not know the row's place, when one is missing or of another type.
datasets::Value checked_columns(const datasets::Value& row, std::span<const Column> columns);

}  // namespace tern::evals
