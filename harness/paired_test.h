#pragma once
// Tests of "did it change?" on differences: paired trials (signed-rank), two separate runs (Welch),
// and answers to the same questions (McNemar). All p values are two-sided. What a difference means
// for a build is the business of harness/verdict.h.

#include <span>

namespace tern::harness {

// One estimated change with how sure it is. For speed and energy the scale is the natural logarithm
// of a ratio, for accuracy it is a difference of shares.
struct EffectEstimate {
  int n_a = 0, n_b = 0;      // samples; equal when paired
  bool paired = true;        // n_a pairs, or n_a and n_b separate samples
  double effect = 0;         // mean difference a - b
  double low = 0, high = 0;  // interval at the level asked for; infinite when n is too small
  double p = 1;
  double smallest_p = 1;  // the smallest p any samples of this size could have given
  double stderror = 0;    // of `effect`
  double dof = 0;
  // One standard uncertainty of `effect` that no repetition averages out: of ratios of joules what
  // the meter may be wrong by. low, high, p and stderror are those of the samples alone.
  double meter_u = 0;
};

struct Interval {
  double low = 0, high = 0;
};

// meter_u times the quantile of the normal distribution that an interval of this level takes.
double expanded_meter_u(const EffectEstimate& estimate, double level);

// The interval of the samples, which must be of this level, with the meter's uncertainty in it: the
// root sum of squares of both margins, as repeatability is one term of the budget beside the others
// (energy/uncertainty_budget.h).
Interval widened(const EffectEstimate& estimate, double level);

// Wilcoxon's signed-rank test: P under "the differences are symmetric about 0". Zeros are dropped,
// ties share their mean rank. Up to kExactPairs differences the distribution is counted exactly
// (given the ties); beyond, it is the normal approximation with the variance corrected for ties and
// a continuity correction of one half.
inline constexpr int kExactPairs = 25;
double signed_rank_p(std::span<const double> differences);

// 2^(1-n): all n differences on one side.
double smallest_signed_rank_p(int n) noexcept;
// The fewest pairs with smallest_signed_rank_p(n) < alpha, 0 < alpha < 1.
int pairs_needed(double alpha);

// Pairs a_i, b_i of one study: effect and Student-t interval of the mean of a_i - b_i, p of the
// signed-rank test. The mean, because it is the ratio that `tern bench` prints; the ranks, because
// a few wild pairs must not make a finding.
EffectEstimate paired_effect(std::span<const double> a, std::span<const double> b, double level);

// Separate samples: Welch's t test, its interval with the Welch-Satterthwaite degrees of freedom.
// smallest_p is the rank sum's 2/C(n_a+n_b, n_a), so that three runs against three are not asked
// for more than their order could show. Needs two values on each side, else the interval is
// infinite.
EffectEstimate unpaired_effect(std::span<const double> a, std::span<const double> b, double level);

// The same questions answered by both: `only_a` were right for a alone, `only_b` for b alone.
// p: McNemar's exact (binomial) test. effect: the difference of the shares that are right;
// interval: Agresti and Min's (2005, half an observation added to each cell), which keeps its level
// for small counts. smallest_p: for this many discordant answers.
EffectEstimate mcnemar_effect(int items, int only_a, int only_b, double level);

}  // namespace tern::harness
