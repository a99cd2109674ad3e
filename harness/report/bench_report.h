#pragma once
// The plain result of a benchmark between whoever ran it and the writers: one row per subject and
// test, one comparison per test and baseline, derived from raw trials. Writers format it and
// compute nothing.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "energy/counter_figures.h"
#include "harness/estimate.h"
#include "harness/fitness.h"
#include "harness/meter_cost.h"
#include "harness/phases.h"
#include "harness/report/energy_figures.h"
#include "harness/roofline.h"
#include "harness/statistics.h"
#include "harness/subject.h"
#include "harness/trial.h"

namespace tern::harness {

// What a row knows of its subject.
struct SubjectFacts {
  std::string name;         // "ternary", "baseline", "baseline:bf16"
  std::string model;        // as the user gave it
  std::string description;  // llama-bench's model_type
  std::int64_t bytes = 0;
  std::int64_t parameters = 0;
  bool mapped = false;      // read from a file (llama-bench's load_mode)
  double ternary_bits = 0;  // of a ternary weight in memory; 0: none, or the record does not say
  std::string why_ternary_bits;  // how they came to be so many
  bool greedy_head = false;      // decoding searches the largest logit, through a copy of the head
  // Decoding reads only what squared ReLU has not made zero: shares of `up` and `down` read, 0
  // where the record does not say.
  bool skip_zeros = false;
  double up_rows_read = 0, down_columns_read = 0;
};

// What the rows of one configuration share.
struct RunFacts {
  std::string build_commit;
  int build_number = 0;
  std::string cpu;
  std::string kernels;
  std::string record_id;
  int threads = 0, batch = 0, ubatch = 0, poll = 0;
  std::string type_k, type_v;
  MachineLimits limits;                          // at this thread count
  std::vector<MachineLimits> limits_by_threads;  // 1, 2, 4, …; empty unless asked for
  std::string no_ratio;  // why there is no baseline; empty when there is one
  // A row that runs here and multiplies BF16 faster than `kernels`; empty where there is none or
  // the record does not say.
  std::string bf16_kernels;
  RecordedFitness fitness;
  std::optional<MeterCost> meter_cost;         // where it was asked for
  std::optional<energy::IdleBaseline> idle;    // where idle power was measured
  std::vector<std::string> meter_assumptions;  // what the uncertainties take on faith
};

// The first subject's speed over that of `subject`; without a value `why` says why.
struct RatioTo {
  std::string subject;
  std::optional<PairedRatio> value;
  std::string why;
  EnergyComparison energy;
};

struct BenchRow {
  SubjectFacts subject;
  RunFacts run;
  TestCase test;
  std::int64_t start_unix_ns = 0;  // of the first trial
  std::vector<std::int64_t> samples_ns;
  std::vector<double> samples_ts;  // tokens per second
  Summary ns, ts;
  std::optional<double> cpu_ns_per_token;  // CPU time of all threads; not energy
  double bytes_per_token = 0;
  double bytes_per_s = 0;
  std::optional<double> roofline_share;  // of the read bandwidth
  Roofline roofline;
  EnergyFigures energy;
  std::vector<energy::CounterValue> counters;  // summed over the trials
  energy::CounterFigures counter_figures;
  double tokens = 0;   // of all trials, for counts per token
  double seconds = 0;  // likewise
  std::string logits_hash;
  std::optional<PhaseSample> phases;        // of the extra pass, where one was asked for
  std::optional<Estimate> energy_estimate;  // where one was asked for; no measurement
  // On rows of the first subject, over the second one; without a value, why_no_ratio says why.
  std::optional<PairedRatio> ratio;
  std::string why_no_ratio;
  EnergyComparison energy_ratio;  // the same of joules
  // There too, over each of the others. Empty where there are fewer than two.
  std::vector<RatioTo> ratios;
};

// The first subject over one of the others, pair by pair.
struct BenchComparison {
  RunFacts run;
  std::string model;  // the first subject's description
  std::string test;
  std::string first, second;
  std::string second_model;  // its description
  PairedRatio speed;         // ratio of tokens per second
  EnergyComparison energy;
};

struct BenchReport {
  std::vector<BenchRow> rows;
  std::vector<BenchComparison> comparisons;
  std::vector<std::string>
      notes;  // what the reader must know beside the numbers, one sentence each
};

// Adds one configuration. subjects: the first is compared with each of the others.
void add_trials(BenchReport& report, const RunFacts& run, const std::vector<SubjectFacts>& subjects,
                const std::vector<TestCase>& tests, const std::vector<Trial>& trials);

// Gives the rows of one record their phases.
void add_phases(BenchReport& report, const std::string& record_id,
                const std::vector<PhaseSample>& samples);

// The same with estimates.
void add_estimates(BenchReport& report, const std::string& record_id,
                   const std::vector<Estimate>& estimates);

}  // namespace tern::harness
