#pragma once
// The evaluation part of a record: what is known before the first item, the items, and the way back
// from an unfinished record to a run that goes on.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/thread_pool.h"
#include "harness/bench_record.h"
#include "harness/eval_run.h"
#include "harness/eval_subjects.h"
#include "harness/record.h"
#include "harness/record_lock.h"
#include "harness/record_store.h"

namespace tern::harness {

// Everything that decides an evaluation's answers and how they were timed: two runs with the same
// identity ask the same questions of the same model in the same way.
struct EvalIdentity {
  const std::vector<EvalSubject>* subjects = nullptr;
  std::int64_t context = 0;
  std::int64_t ubatch = 0;
  int batch = 1;  // as given: 0 is "auto"
  std::string type_k, type_v;
  std::string kernels;
  int threads = 0;
  std::optional<double> limit;  // as given
  Shard shard;
  std::uint32_t fewshot_seed = evals::kFewshotSeed;
  evals::PromptStyle style;

  const EvalSubject& first() const { return subjects->front(); }
};

// The style of an identity. Throws nlohmann::json::exception where it is none.
evals::PromptStyle style_from_json(const nlohmann::json& style);

nlohmann::json identity_json(const EvalIdentity& identity, const std::vector<TaskRun>& runs);

Record begin_eval_record(const EvalIdentity& identity, const std::vector<TaskRun>& runs,
                         const engine::ThreadPool& pool);

nlohmann::json to_json(const EvalItem& item);
// The answer is read back and scored again by the task. Throws Error when the item cannot be read.
EvalItem eval_item_from_json(const nlohmann::json& json, const evals::Task& task);

// The newest unfinished evaluation with this identity that no living process writes, its items put
// into `runs`. Otherwise nullopt, and `why_not` says what there is.
struct ResumedEval {
  Record record;
  RecordLock lock;
};
std::optional<ResumedEval> resume_eval(const RecordStore& store, const nlohmann::json& identity,
                                       std::vector<TaskRun>& runs, std::string& why_not);

// The finished items into the record's evals[], where the store's copy has them row by row.
void put_items(Record& record, const std::vector<TaskRun>& runs);

}  // namespace tern::harness
