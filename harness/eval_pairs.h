#pragma once
// The same questions answered by two models, held against each other score by score. A standard
// error of one model says nothing about a difference on the same questions; these do.

#include <cstddef>
#include <string>
#include <vector>

#include "harness/eval_run.h"
#include "harness/paired_test.h"

namespace tern::harness {

inline constexpr double kPairedLevel = 0.95;

struct PairedScore {
  std::string task, filter, metric;
  std::size_t against = 0;     // subject b; a is the first one
  int questions = 0;           // that both answered
  double a = 0, b = 0;         // means over those
  int only_a = 0, only_b = 0;  // right for one of them alone; of scores that are 0 or 1
  bool right_or_wrong = true;  // all scores are 0 or 1: McNemar's exact test, else signed ranks
  EffectEstimate difference;   // a - b
};

// Of every task, metric and filter, the first subject against each other one. Questions that only
// one of them has answered do not count.
std::vector<PairedScore> paired_scores(const std::vector<TaskRun>& runs);

}  // namespace tern::harness
