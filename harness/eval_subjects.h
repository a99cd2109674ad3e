#pragma once
// The models of one evaluation with their tokenizers: what the user named, and the baselines it is
// held against. All are asked the same questions with the same context.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/model.h"
#include "engine/tokenizer/tokenizer.h"
#include "harness/chat.h"
#include "harness/eval_options.h"
#include "harness/eval_setup.h"
#include "harness/file_digest.h"

namespace tern::harness {

struct EvalSubject {
  std::string name;  // "ternary", "baseline", "float"
  std::shared_ptr<const engine::Model> model;
  std::shared_ptr<const engine::Tokenizer> tokenizer;
  SharedChatTemplate chat = nullptr;        // null: nothing is asked in conversations
  bool twin = false;                        // derived from the first model
  std::vector<FileDigest> files;            // of the model; none: synthetic
  std::vector<FileDigest> tokenizer_files;  // none: the model's own
};

struct EvalSubjects {
  std::vector<EvalSubject> list;  // the first is the one that the user named
  std::string no_baseline;        // why there is none that was asked for; else empty
  std::int64_t context = 0;       // positions a request may take
  std::int64_t longest = 0;  // that one does take; 0: not looked at, since nothing runs in batches
  std::int64_t batch = 1;    // requests at once
};

// Loads models for the tasks, and their tokenizers before them: cheap things that can be wrong
// come before expensive ones. Throws Error where a context is too small for a task, or a model, a
// tokenizer or the batch's cache cannot be had.
EvalSubjects load_eval_subjects(const EvalOptions& options, const EvalTasks& tasks,
                                const kernels::KernelTable& table, engine::ThreadPool& pool);

}  // namespace tern::harness
