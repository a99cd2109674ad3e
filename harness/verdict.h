#pragma once
// Pass, regression or inconclusive: the decision of `tern gate` on one row and on a whole
// comparison. Never green for lack of evidence, and never red for a change that is only
// significant.
//
// The rule for one row, with `effect` positive where A is better:
//
//   inconclusive  when this many samples could not reach alpha, whatever they had shown;
//   regression    when p < alpha, the effect is a loss, and the estimate of the loss is at least
//   the
//                 minimum effect;
//   pass          when the interval (level 1 - 2 alpha: alpha on either side) excludes a loss of
//   the
//                 minimum effect;
//   inconclusive  otherwise: a loss of that size is neither shown nor excluded.
//
// Reasons. p alone calls a harmless 0.3 % red as soon as a machine is quiet enough. The estimate
// alone, as "5 % below the last run" does it, is red by chance. Demanding that the whole interval
// lie beyond the minimum effect would find a true 3 % loss (1 % noise, 10 pairs, 2 % minimum) in
// one study of four; the estimate finds it in 97 of 100 and, with both conditions, false alarms
// stay far below alpha (tests/harness/gate_simulation_test.cpp). Pass is a proof of its own,
// because "not significant" is what a study with too few pairs always says.
//
// Joules have an uncertainty that no repetition averages out, so pairs that agree prove nothing
// about it: what the meter may be wrong by in a ratio (u_cmp, the gain common to both sides not in
// it). Where it is known, `interval` above is the one widened by it (paired_test.h), and a
// regression must also survive it: the widened interval excludes a gain, and the estimate is at
// least the minimum effect by more than the meter may be wrong by, at the interval's level. What
// only the meter leaves open is inconclusive and says so; more pairs would not close it.
//
// Ten pairs is the default: 8 is the fewest with which the signed-rank test can reach 0.01.

#include <cstddef>
#include <string>
#include <vector>

#include "harness/paired_test.h"

namespace tern::harness {

inline constexpr double kDefaultAlpha = 0.01;
inline constexpr double kDefaultMinEffect = 0.02;
inline constexpr int kDefaultGatePairs = 10;
inline constexpr double kPower = 0.9;  // with which the minimum detectable effect is found

enum class Verdict { kPass, kRegression, kInconclusive };
const char* name(Verdict verdict) noexcept;  // "pass", "regression", "inconclusive"
int exit_code(Verdict verdict) noexcept;     // 0, 3, 4

struct Judgement {
  Verdict verdict = Verdict::kInconclusive;
  std::string reason;
};

// How the numbers of an EffectEstimate are to be read.
enum class Scale {
  kLogRatio,  // of a ratio: a loss of 2 % is an effect of ln(0.98)
  kShare,     // a difference of shares: a loss of 2 % is 2 points
};

struct GateRule {
  double alpha = kDefaultAlpha;
  double min_effect = kDefaultMinEffect;  // a loss, as a share: 0.02
};

// The level of the interval that judge() expects in an EffectEstimate.
double interval_level(const GateRule& rule) noexcept;

// With several rows one must not be allowed alpha each. Regressions lie on one side of a two-sided
// test, so two rows cost alpha together; from three rows on each gets 2 alpha / rows.
GateRule share_alpha(const GateRule& rule, std::size_t rows) noexcept;

// effect > 0 means better.
Judgement judge(const EffectEstimate& estimate, Scale scale, const GateRule& rule);

// The smallest true loss (a share) that samples of this number and noise would have been called a
// regression for with probability kPower: large enough for p (by the t test that the ranks nearly
// equal), for the estimate to clear the minimum effect, and both of them beyond what the meter may
// be wrong by. Infinite without a spread to judge by.
double minimum_detectable_effect(const EffectEstimate& estimate, Scale scale, const GateRule& rule);

// Any regression is a regression; then anything inconclusive, or nothing at all, is inconclusive.
Judgement combine(const std::vector<Judgement>& rows);

}  // namespace tern::harness
