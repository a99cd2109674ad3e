#include "harness/eval_setup.h"

#include <algorithm>
#include <chrono>

#include "harness/error.h"
#include "harness/eval_inputs.h"

namespace tern::harness {

EvalTasks load_tasks(const EvalOptions& options) {
  EvalTasks tasks;
  for (const std::string& name : options.tasks) {
    const evals::TaskInfo& info = evals::find_task(name);
    tasks.push_back(info.make({.data = find_data(options.data, info),
                               .num_fewshot = options.num_fewshot,
                               .fewshot_seed = options.seeds.back(),
                               .scoring_only = options.mode == EvalMode::kScoreResponses,
                               .style = options.style}));
  }
  return tasks;
}

std::vector<TaskRun> plan_runs(const EvalTasks& tasks, const EvalOptions& options,
                               std::size_t subjects) {
  std::vector<TaskRun> runs;
  for (const auto& task : tasks) {
    for (std::size_t subject = 0; subject < subjects; ++subject) {
      runs.push_back({.task = task.get(),
                      .documents = limited(task->size(), options.limit),
                      .items = {},
                      .subject = subject,
                      .shard = options.shard});
    }
  }
  return runs;
}

std::vector<std::string> data_differences(const EvalTasks& tasks) {
  std::vector<std::string> sentences;
  for (const auto& task : tasks) {
    for (const datasets::Provenance& file : task->data()) {
      if (!file.as_published()) sentences.push_back(file.difference());
    }
  }
  return sentences;
}

bool asks_in_conversations(const EvalTasks& tasks, const EvalOptions& options) {
  return options.style.apply_chat_template ||
         std::any_of(tasks.begin(), tasks.end(),
                     [](const auto& task) { return task->info().chat; });
}

double now_unix_s() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool is_synthetic(const std::string& model) noexcept { return model.starts_with("synth:"); }

std::string chat_template_source(const EvalOptions& options) {
  return options.chat_template.empty() ? tokenizer_source(options) : options.chat_template;
}

std::string tokenizer_source(const EvalOptions& options) {
  if (!options.tokenizer.empty()) return options.tokenizer;
  if (!is_synthetic(options.model)) return options.model;
  throw Error(options.model + " has no tokenizer: expected --tokenizer FILE, got none");
}

}  // namespace tern::harness
