#pragma once
// The loop of an evaluation: items one after the other, or as many at once as the model has places
// for, each timed and metered and handed to the listener as soon as it is answered, so that a
// killed process loses at most the items in flight. It computes no score and knows no store; items
// that are there already are not asked again.

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "evals/task.h"
#include "harness/batched_model.h"
#include "harness/shard.h"
#include "harness/study.h"

namespace tern::harness {

// One document's answer, its scores, and what they cost.
struct EvalItem {
  evals::ItemResult result;
  std::int64_t start_unix_ns = 0;
  std::int64_t elapsed_ns = 0;  // CLOCK_MONOTONIC_RAW, around the model's work alone
  EngineModelCounts tokens;     // of this item
  energy::EnergyDelta energy;
  // Most questions that were asked at once while this one was. With company, seconds and joules are
  // its share of windows that were timed and metered for all of them (energy_share.h), and
  // `windows` says how the joules of those windows were got.
  int company = 1;
  energy::Status windows = energy::Status::kNotMeasured;

  // Whether every joule of it was measured, if perhaps not for it alone.
  bool joules_measured() const noexcept {
    return (company > 1 ? windows : energy.status) == energy::Status::kMeasured;
  }
};

// One task over its first documents, or a part of them.
struct TaskRun {
  const evals::Task* task = nullptr;
  std::size_t documents = 0;
  std::vector<EvalItem> items;  // by ascending doc_id
  std::size_t subject = 0;      // who is asked: which of the models
  Shard shard = {};             // of the documents, those that are asked for

  std::size_t asked() const noexcept { return shard.size(documents); }
  bool complete() const noexcept { return items.size() == asked(); }
};

struct EvalStep {
  std::size_t run = 0;
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

// Asks for every document the runs lack, run after run, each of models[run.subject]. Returns "" or
// why it ended early: a model that throws, or kInterrupted; what is in flight when a document is
// refused is answered first.
inline constexpr const char* kInterrupted = "interrupted by SIGINT";
std::string ask_all(std::vector<TaskRun>& runs, std::span<BatchedModel* const> models,
                    Instruments& instruments, EvalListener& listener,
                    const std::atomic<bool>* stop);

// The same of one subject, with a model that answers one request at a time. `counts` are its own,
// or null.
std::string ask_all(std::vector<TaskRun>& runs, evals::LanguageModel& model,
                    const EngineModelCounts* counts, Instruments& instruments,
                    EvalListener& listener, const std::atomic<bool>* stop);

}  // namespace tern::harness
