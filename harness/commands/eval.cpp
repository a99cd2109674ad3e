// `tern eval`: accuracy with the joules of every question. Five ways in: ask a model and record
// every item as it finishes (harness/evaluation.h), join the parts of an evaluation
// (harness/eval_merge.h), score answers made elsewhere, print what would be asked, or fetch data.

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>

#include "datasets/error.h"
#include "engine/tokenizer/tokenizer.h"
#include "evals/error.h"
#include "harness/chat.h"
#include "harness/command.h"
#include "harness/data_home.h"
#include "harness/error.h"
#include "harness/eval_inputs.h"
#include "harness/eval_merge.h"
#include "harness/eval_options.h"
#include "harness/eval_output.h"
#include "harness/eval_setup.h"
#include "harness/evaluation.h"
#include "harness/fetch/datasets.h"
#include "harness/fetch/transfer_progress.h"
#include "harness/open_tokenizer.h"

namespace tern::harness {

namespace {

int prompts_mode(const EvalOptions& options) {
  const EvalTasks tasks = load_tasks(options);
  std::unique_ptr<engine::Tokenizer> tokenizer;
  evals::ChatTemplate chat;
  if (!options.tokenizer.empty() || !options.model.empty()) {
    tokenizer = open_tokenizer(tokenizer_source(options));
    if (asks_in_conversations(tasks, options)) {
      chat = renderer(open_chat_template(chat_template_source(options), *tokenizer));
    }
  }
  for (const TaskRun& run : plan_runs(tasks, options, 1)) {
    print_prompts(std::cout, *run.task, run.documents, {tokenizer.get(), chat}, tasks.size() > 1);
  }
  std::cout << std::flush;
  return std::cout ? 0 : 1;
}

int responses_mode(const EvalOptions& options) {
  prepare_output(options);
  const EvalTasks tasks = load_tasks(options);
  EvalReport report;
  report.answers = options.responses.string();
  report.limit = options.limit;
  report.seeds = options.seeds;
  report.num_fewshot = options.num_fewshot;
  report.style = options.style;
  report.reasons = data_differences(tasks);
  report.date_unix_s = now_unix_s();
  report.runs = plan_runs(tasks, options, 1);
  TaskRun& run = report.runs.front();
  run.items = score_responses(*run.task, run.documents, options.responses);
  write_eval_report(report, options);
  return std::cout ? 0 : 1;
}

// Several tasks may ask from one folder.
std::vector<std::string> folders_of(const std::vector<std::string>& tasks) {
  std::vector<std::string> folders;
  for (const std::string& task : tasks) {
    const std::string folder(evals::find_task(task).folder);
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) {
      folders.push_back(folder);
    }
  }
  return folders;
}

int fetch_mode(const EvalOptions& options) {
  std::filesystem::path folder = options.data;
  if (folder.empty()) {
    const auto home = data_home();
    if (!home) throw Error("no place for data: neither XDG_DATA_HOME nor HOME is set; give --data");
    folder = *home / "datasets";
  }
  TransferProgress progress("tern eval");
  fetch_datasets(folders_of(options.tasks), folder, {}, progress);
  std::cout << folder.string() << std::endl;
  return 0;
}

int run_mode(EvalOptions options) {
  switch (options.mode) {
    case EvalMode::kPrintPrompts:
      return prompts_mode(options);
    case EvalMode::kScoreResponses:
      return responses_mode(options);
    case EvalMode::kFetch:
      return fetch_mode(options);
    case EvalMode::kMerge:
      return run_merge(options);
    case EvalMode::kRun:
      break;
  }
  return run_evaluation(std::move(options));
}

}  // namespace

int run_eval(const std::vector<std::string>& args) try {
  std::optional<EvalOptions> options = parse_eval_options(args);
  if (!options.has_value()) return 0;
  return run_mode(std::move(*options));
} catch (const datasets::FormatError& error) {
  throw Error(error.what());
} catch (const evals::Error& error) {
  throw Error(error.what());
}

}  // namespace tern::harness
