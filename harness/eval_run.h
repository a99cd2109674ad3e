#pragma once
// The loop of an evaluation: one item after the other, each timed and metered and handed to the
// listener at once, so that a killed process loses at most the item in flight. It computes no score
// and knows no store; items that are there already are not asked again.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "evals/task.h"
#include "harness/engine_model.h"
#include "harness/study.h"

namespace tern::harness {

// One document's answer, its scores, and what they cost.
struct EvalItem {
  evals::ItemResult result;
  std::int64_t start_unix_ns = 0;
  std::int64_t elapsed_ns = 0;  // CLOCK_MONOTONIC_RAW, around the model's work alone
  EngineModelCounts tokens;     // of this item
  energy::EnergyDelta energy;
};

// One task over its first documents.
struct TaskRun {
  const evals::Task* task = nullptr;
  std::size_t documents = 0;
  std::vector<EvalItem> items;  // by ascending doc_id

  bool complete() const noexcept { return items.size() == documents; }
};

struct EvalStep {
  std::string task;
  std::size_t document = 0;         // about to be asked
  std::size_t done = 0, total = 0;  // items of all tasks
  std::size_t done_here = 0;        // without those that were there at the start
};

class EvalListener {
 public:
  virtual ~EvalListener() = default;
  virtual void on_start(const EvalStep& step) = 0;
  // Called when an item is finished, outside every timed window. An exception from here ends the
  // program's run.
  virtual void on_item(std::size_t run, const EvalItem& item) = 0;
};

// Asks for every document the runs lack. Returns "" or why it ended early: a model that throws, or
// kInterrupted. `counts` are the model's own, or null.
inline constexpr const char* kInterrupted = "interrupted by SIGINT";
std::string ask_all(std::vector<TaskRun>& runs, evals::LanguageModel& model,
                    const EngineModelCounts* counts, Instruments& instruments,
                    EvalListener& listener, const std::atomic<bool>* stop);

}  // namespace tern::harness
