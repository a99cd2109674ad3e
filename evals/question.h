#pragma once
// A row as a task asks about it: what its templates make of it.

#include <cstddef>
#include <string>
#include <vector>

#include "datasets/value.h"
#include "evals/conversation.h"
#include "evals/task_description.h"

namespace tern::evals {

struct Question {
  std::string text;
  std::string target;                // the answer; of a choice the index, as logged
  std::vector<std::string> choices;  // none where the answer is a text
  std::size_t right = 0;             // of the choices
  // The choices are contexts, and the target is what must follow the right one.
  bool choices_are_contexts = false;
};

// Throws Error, which does not know the row's place. `example`: as an example before a question,
// which may have its target elsewhere.
Question read_question(const TaskDescription& task, const datasets::Value& row, bool example);

// An example as turns: the question and its answer, which is left out where it is empty.
std::vector<Turn> example_turns(const TaskDescription& task, const Question& question);

}  // namespace tern::evals
