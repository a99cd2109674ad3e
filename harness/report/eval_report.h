#pragma once
// Scores as lm-evaluation-harness writes them, its table and its results file, with what a question
// took beside them. All figures are derived here from the items; what was not measured is n/m with
// its reason.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evals/aggregate.h"
#include "harness/chat.h"
#include "harness/eval_run.h"

namespace tern::harness {

struct EvalReport {
  // A model that the first one is held against.
  struct Baseline {
    std::string name;   // of the subject: "baseline"
    std::string model;  // what it is made of or read from
    std::int64_t parameters = 0;
    SharedChatTemplate chat = nullptr;
  };

  std::string model;    // as the user named it; empty: answers made elsewhere
  std::string subject;  // "ternary", "baseline", "float"; empty as above
  std::vector<Baseline> baselines;
  std::string answers;  // where the answers came from otherwise
  std::int64_t parameters = 0;
  std::int64_t max_length = 0;
  std::int64_t batch = 1;  // questions asked at once
  std::optional<double> limit;
  std::array<std::uint32_t, 4> seeds = {0, 1234, 1234, evals::kFewshotSeed};  // as EvalOptions
  std::optional<int> num_fewshot;
  evals::PromptStyle style;
  SharedChatTemplate chat;  // null: none was needed, or it is not at hand
  std::string record_id;    // empty: nothing was recorded
  std::string status = "ok";
  std::vector<std::string> reasons;
  double date_unix_s = 0;
  std::vector<TaskRun> runs;

  // Names by TaskRun::subject.
  std::vector<std::string> subjects() const;
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
  int company = 1;  // most questions asked at once
};
EvalCosts costs(const TaskRun& run);

std::string eval_markdown(const EvalReport& report);

// Every answer with its scores: in the results themselves, in files of their own, of which the
// results have the hashes, or nowhere.
enum class Samples : std::uint8_t { kNone, kHashes, kAll };
std::string eval_json(const EvalReport& report, Samples samples);
// One line per document of a run of the report, and filter.
std::string eval_samples(const EvalReport& report, const TaskRun& run);
// As lm_eval makes a folder's name of a model's.
std::string sanitized_name(const std::string& name);

}  // namespace tern::harness
