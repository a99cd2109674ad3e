#pragma once
// What `tern bench --quick` runs: a model and tests small enough for a first look on this machine.
// Pure decisions; whoever calls measures and says what was decided.

#include <cstdint>
#include <string>
#include <vector>

#include "harness/subject.h"

namespace tern::harness {

inline constexpr int kQuickPairs = 3;
// Seconds of trials and warm-ups. Making the models, their twins and the limits comes on top;
// together they stay under two minutes on four cores.
inline constexpr double kQuickBudget_s = 60;

// The tests on a machine that is fast enough, and then smaller ones.
std::vector<TestCase> quick_tests(int level);  // level in [0, kQuickLevels)
inline constexpr int kQuickLevels = 5;

// Seconds per token of all subjects together, from a probe.
struct QuickRates {
  double prompt_s = 0;
  double gen_s = 0;
};

// The first level whose trials and warm-ups fit the budget; the last one if none does.
int quick_level(const QuickRates& rates, int pairs, double budget_s);

// "synth:NAME" of the BitNet 2B4T shape or, where that and its FP16 twin do not fit, the largest
// synthetic shape that does. available_bytes: what may be used, any margin taken off.
std::string quick_model(std::int64_t available_bytes);

}  // namespace tern::harness
