#pragma once
// What compare() is made of: the samples of one row before they are judged. Not for other users.

#include <optional>
#include <string>
#include <vector>

#include "harness/comparison.h"

namespace tern::harness {

struct RowSamples {
  Metric metric = Metric::kSpeed;
  std::string test;
  Pairing pairing = Pairing::kPaired;
  std::vector<double> a, b;  // tokens per second, joules per token; pair i at index i when paired
  // What the meter may be wrong by in the ratio, a share (one standard uncertainty, the gain common
  // to both sides not in it). None: no joules, or the records do not say.
  std::optional<double> meter_u;
  int items = 0, only_a = 0, only_b = 0, right_a = 0, right_b = 0;  // accuracy
  std::string weakness;  // why this row can show nothing, however clear its numbers are
};

struct Gathered {
  std::vector<RowSamples> rows;
  std::vector<MissingMetric> missing;
  std::vector<std::string> notes;
};

// Speed and energy of every test both sides have. Throws Error when trials are there but none can
// be compared.
void gather_trials(const Side& a, const Side& b, const std::vector<Metric>& metrics,
                   Gathered& gathered);

// Wall time, CPU time and joules of two commands over their repetitions, which are no pairs. Throws
// Error where only one side is a command.
void gather_commands(const Side& a, const Side& b, const std::vector<Metric>& metrics,
                     Gathered& gathered);

// Trials of both sides; pair i at index i when paired.
struct MatchedTrials {
  std::vector<const Trial*> a, b;
};

// Adds `row` (its metric, test, pairing and weakness) with joules(trial) of those trials that a
// meter measured, or says why there are none to compare: none was measured, or they cover different
// parts of the machine.
void gather_energy(RowSamples row, MatchedTrials trials, double (*joules)(const Trial&),
                   Gathered& gathered);

bool asked_for(const std::vector<Metric>& metrics, Metric metric);

// Throws Error unless both were measured on one machine that is known.
void refuse_other_machine(const SideFacts& a, const SideFacts& b);

// Accuracy: evaluated items joined by task, filter, metric and document.
void gather_items(const Side& a, const Side& b, Gathered& gathered);

// Empty, or why a record can support no verdict: its run failed or has not ended.
std::string why_unfinished(const Record& record);

// Empty, or why nothing can have been timed well: the environment was unfit.
std::string why_unfit(const Record& record);

}  // namespace tern::harness
