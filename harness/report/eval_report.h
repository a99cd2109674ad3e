#pragma once
// Scores as lm-evaluation-harness writes them, its table and its results file, with what a question
// took beside them. All figures are derived here from the items; what was not measured is n/m with
// its reason.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evals/aggregate.h"
#include "harness/eval_run.h"

namespace tern::harness {

struct EvalReport {
  std::string model;    // as the user named it; empty: answers made elsewhere
  std::string subject;  // "ternary", "baseline", "float"; empty as above
  std::string answers;  // where the answers came from otherwise
  std::int64_t parameters = 0;
  std::int64_t max_length = 0;
  std::optional<double> limit;
  std::optional<int> num_fewshot;
  std::string record_id;  // empty: nothing was recorded
  std::string status = "ok";
  std::vector<std::string> reasons;
  double date_unix_s = 0;
  std::vector<TaskRun> runs;
};

// What the questions of one task took, over the items that are there.
struct EvalCosts {
  double seconds = 0;
  std::int64_t timed = 0;  // items with a time
  double joules = 0;       // of the metered items
  std::int64_t metered = 0;
  std::optional<double> meter_share;  // of one processor, what metering took; of those that say it
  std::string why;                    // of the first item without joules
  EngineModelCounts tokens;
  std::int64_t truncated_items = 0;
};
EvalCosts costs(const TaskRun& run);

std::string eval_markdown(const EvalReport& report);
std::string eval_json(const EvalReport& report, bool samples);

}  // namespace tern::harness
