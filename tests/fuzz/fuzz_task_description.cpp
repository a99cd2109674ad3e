// Any bytes as a task's description: they are read or refused with Error or FormatError, and what
// is read makes a question of a row, or an Error.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "datasets/error.h"
#include "datasets/value.h"
#include "evals/error.h"
#include "evals/question.h"
#include "evals/task_description.h"

using namespace tern;

namespace {

const datasets::Value& row() {
  static const datasets::Value value = datasets::parse_value(
      R"({"q": " why? ", "n": 1, "a": ["x", "y"], "o": {"text": ["x"], "label": ["A"]}})", "row");
  return value;
}

void ask(const evals::TaskDescription& task) {
  try {
    const evals::Question question = evals::read_question(
        task, evals::checked_columns(row(), task.columns), !task.fewshot.samples.empty());
    evals::example_turns(task, question);
  } catch (const evals::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string same(text);
  try {
    for (const evals::TaskDescription& task :
         evals::parse_task_descriptions(text, "input", [&](std::string_view) { return same; })) {
      ask(task);
    }
  } catch (const evals::Error&) {
  } catch (const datasets::FormatError&) {
  }
  return 0;
}
