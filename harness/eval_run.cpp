#include "harness/eval_run.h"

#include <fmt/format.h>

#include <exception>
#include <set>

namespace tern::harness {

namespace {

EngineModelCounts difference(const EngineModelCounts& after, const EngineModelCounts& before) {
  return {.evaluated_tokens = after.evaluated_tokens - before.evaluated_tokens,
          .reused_tokens = after.reused_tokens - before.reused_tokens,
          .truncated_prompts = after.truncated_prompts - before.truncated_prompts,
          .dropped_tokens = after.dropped_tokens - before.dropped_tokens};
}

// Clocks and meters around one document; what is started is stopped, also when the model throws.
EvalItem ask(const evals::Task& task, std::size_t document, evals::LanguageModel& model,
             const EngineModelCounts* counts, Instruments& instruments) {
  EvalItem item;
  const EngineModelCounts before = counts != nullptr ? *counts : EngineModelCounts();
  Trial window;
  item.start_unix_ns = instruments.unix_ns();
  instruments.start();
  const std::int64_t begin = instruments.monotonic_ns();
  try {
    item.result = evals::evaluate(task, document, model);
  } catch (...) {
    instruments.stop(window);
    throw;
  }
  item.elapsed_ns = instruments.monotonic_ns() - begin;
  instruments.stop(window);
  item.energy = std::move(window.energy);
  if (counts != nullptr) item.tokens = difference(*counts, before);
  return item;
}

class Loop {
 public:
  Loop(std::vector<TaskRun>& runs, evals::LanguageModel& model, const EngineModelCounts* counts,
       Instruments& instruments, EvalListener& listener, const std::atomic<bool>* stop)
      : runs_(runs),
        model_(model),
        counts_(counts),
        instruments_(instruments),
        listener_(listener),
        stop_(stop) {
    for (const TaskRun& run : runs_) {
      step_.done += run.items.size();
      step_.total += run.documents;
    }
  }

  std::string run() {
    for (std::size_t r = 0; r < runs_.size(); ++r) {
      std::string failure = run_task(r);
      if (!failure.empty()) return failure;
    }
    return "";
  }

 private:
  bool stopped() const { return stop_ != nullptr && stop_->load(std::memory_order_relaxed); }

  std::string run_task(std::size_t r) {
    TaskRun& run = runs_[r];
    step_.task = run.task->info().name;
    std::set<std::int64_t> there;
    for (const EvalItem& item : run.items) there.insert(item.result.doc_id);
    for (std::size_t document = 0; document < run.documents; ++document) {
      if (there.contains(static_cast<std::int64_t>(document))) continue;
      std::string failure = run_item(r, document);
      if (!failure.empty()) return failure;
    }
    return "";
  }

  std::string run_item(std::size_t r, std::size_t document) {
    if (stopped()) return kInterrupted;
    step_.document = document;
    listener_.on_start(step_);
    EvalItem item;
    try {
      item = ask(*runs_[r].task, document, model_, counts_, instruments_);
    } catch (const std::exception& error) {
      if (stopped()) return kInterrupted;
      return fmt::format("{}, document {}: {}", step_.task, document, error.what());
    }
    listener_.on_item(r, item);
    auto place = runs_[r].items.end();
    while (place != runs_[r].items.begin() &&
           std::prev(place)->result.doc_id > item.result.doc_id) {
      --place;
    }
    runs_[r].items.insert(place, std::move(item));
    ++step_.done;
    ++step_.done_here;
    return "";
  }

  std::vector<TaskRun>& runs_;
  evals::LanguageModel& model_;
  const EngineModelCounts* counts_;
  Instruments& instruments_;
  EvalListener& listener_;
  const std::atomic<bool>* stop_;
  EvalStep step_;
};

}  // namespace

std::string ask_all(std::vector<TaskRun>& runs, evals::LanguageModel& model,
                    const EngineModelCounts* counts, Instruments& instruments,
                    EvalListener& listener, const std::atomic<bool>* stop) {
  return Loop(runs, model, counts, instruments, listener, stop).run();
}

}  // namespace tern::harness
