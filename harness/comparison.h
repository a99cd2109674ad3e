#pragma once
// Two sides held against each other: joins their tests (or evaluated items) by name, decides which
// trials are true pairs, and judges each row. Refuses sides that measure different things. What is
// missing, and what weakens the evidence, is a value with its reason.

#include <string>
#include <vector>

#include "harness/side.h"
#include "harness/verdict.h"

namespace tern::harness {

enum class Metric {
  kSpeed,
  kEnergy,
  kAccuracy,
  // Of commands (tern measure), which have no tokens.
  kWallTime,
  kCpuTime,
  kJoules,
};
// "speed", "energy", "accuracy", "wall time", "CPU time", "energy"
const char* name(Metric metric) noexcept;
// "t/s", "J/tok", "share right", "s", "s", "J"
const char* unit(Metric metric) noexcept;
// What a user asks for to have it: wall time is the speed of a command, joules are its energy.
Metric asked_as(Metric metric) noexcept;

// How a and b are held against each other.
enum class Pairing {
  kPaired,    // neighbours in one order-balanced study
  kUnpaired,  // separate runs: drift between them is in the difference
  kItems,     // answers to the same questions
};
const char* name(Pairing pairing) noexcept;  // "paired", "unpaired", "items"

struct ComparisonRow {
  Metric metric = Metric::kSpeed;
  std::string test;     // "tg128 @ d512", "piqa acc (none)"
  double a = 0, b = 0;  // means, in unit(metric)
  Pairing pairing = Pairing::kPaired;
  Scale scale = Scale::kLogRatio;
  double level = 0;         // of the interval in `estimate`
  EffectEstimate estimate;  // positive: A is better
  double mde = 0;           // share; infinite when nothing could be detected
  Judgement judgement;
};

// A over B of the metric itself: joules per token above 1 are worse. For shares the difference.
// Without an interval low and high are infinite.
struct Change {
  double value = 0, low = 0, high = 0;
};
// With the interval that was judged: where the meter's uncertainty is known, widened by it.
Change change_of(const ComparisonRow& row);
// With that of the repetitions alone.
Change repetitions_of(const ComparisonRow& row) noexcept;

struct ComparisonOptions {
  GateRule rule;
  // CPU time is no speed, so tern gate does not judge it.
  std::vector<Metric> metrics = {Metric::kSpeed, Metric::kCpuTime, Metric::kEnergy,
                                 Metric::kAccuracy};
  bool allow_unpaired = false;  // judge separate runs too
};

struct MissingMetric {
  Metric metric = Metric::kSpeed;
  std::string why;
};

struct Comparison {
  SideFacts a, b;
  GateRule rule;  // as asked for
  std::vector<ComparisonRow> rows;
  std::vector<MissingMetric> missing;
  std::vector<std::string> notes;  // what the reader must know beside the numbers
  Judgement verdict;  // over all rows; a metric that was asked for alone and is missing
                      // is inconclusive
};

// Throws Error when A and B cannot be compared: another machine, another model, no common test, a
// command and a model. Commands need not be the same: which is faster is what one asks of them.
Comparison compare(const Side& a, const Side& b, const ComparisonOptions& options);

// The comparison that could not be made, for a gate that must answer all the same.
Comparison inconclusive(const ComparisonOptions& options, const std::string& reason);

}  // namespace tern::harness
