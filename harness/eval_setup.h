#pragma once
// What an evaluation asks, from its options: tasks with their data, and how much of them. No model
// is needed for it.

#include <memory>
#include <string>
#include <vector>

#include "evals/task.h"
#include "harness/eval_options.h"
#include "harness/eval_run.h"

namespace tern::harness {

using EvalTasks = std::vector<std::unique_ptr<evals::Task>>;

// Reads their data. Throws Error, evals::Error or datasets::FormatError.
EvalTasks load_tasks(const EvalOptions& options);

// Every task as often as there are subjects, in that order. `tasks` must outlive them.
std::vector<TaskRun> plan_runs(const EvalTasks& tasks, const EvalOptions& options,
                               std::size_t subjects);

// Sentences about files that differ from what was published: scores on them do not compare with
// published ones.
std::vector<std::string> data_differences(const EvalTasks& tasks);

// Whether a chat template is needed: told to, or a task never asks otherwise.
bool asks_in_conversations(const EvalTasks& tasks, const EvalOptions& options);

double now_unix_s();

bool is_synthetic(const std::string& model) noexcept;

// Where the model's tokenizer is read from. Throws Error where it has none and none is given.
std::string tokenizer_source(const EvalOptions& options);
// Where its chat template is.
std::string chat_template_source(const EvalOptions& options);

}  // namespace tern::harness
