#pragma once
// What an evaluation reads besides the model: where the datasets lie, and answers made elsewhere;
// and what it would ask, printed without asking.

#include <filesystem>
#include <iosfwd>
#include <memory>
#include <vector>

#include "engine/tokenizer/tokenizer.h"
#include "evals/task.h"
#include "harness/eval_run.h"

namespace tern::harness {

// The folder that holds the task's files: `given`, or the first of $XDG_DATA_HOME/tern/datasets and
// ../shared/datasets that has the dataset. Throws Error naming the places looked at.
std::filesystem::path find_data(const std::filesystem::path& given, const evals::TaskInfo& task);

// Answers made elsewhere, scored: lines of {"doc_id":0,"response":"…"}. Documents past `documents`
// are left out. Throws Error or datasets::FormatError naming the line.
std::vector<EvalItem> score_responses(const evals::Task& task, std::size_t documents,
                                      const std::filesystem::path& file);

// Who would read the prompts; null: nobody is named.
struct PromptReader {
  const engine::Tokenizer* tokenizer = nullptr;
  evals::ChatTemplate chat = nullptr;
};

// One ASCII-escaped JSON line per document. Choices come with their token ids, so they need a
// tokenizer; texts do not. Conversations are printed as messages where no template makes them text.
// with_task: each line names its task.
void print_prompts(std::ostream& out, const evals::Task& task, std::size_t documents,
                   const PromptReader& reader, bool with_task);

}  // namespace tern::harness
