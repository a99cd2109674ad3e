#include "harness/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/statistics.h"

namespace tern::harness {
namespace {

// A loss as a share, on the scale of the effect: negative.
double on_scale(double loss, Scale scale) {
  return scale == Scale::kLogRatio ? std::log1p(-loss) : -loss;
}

// And back: positive for a loss.
double loss_of(double effect, Scale scale) {
  return scale == Scale::kLogRatio ? -std::expm1(effect) : -effect;
}

std::string percent(double share, Scale scale) {
  return fmt::format("{:.2f} {}", share * 100, scale == Scale::kLogRatio ? "%" : "points");
}

// "a loss of 3.1 %" or "a gain of 0.2 %"
std::string change(double effect, Scale scale) {
  const double loss = loss_of(effect, scale);
  return fmt::format("a {} of {}", loss > 0 ? "loss" : "gain", percent(std::abs(loss), scale));
}

std::string sample_words(const EffectEstimate& estimate, Scale scale) {
  if (scale == Scale::kShare) return fmt::format("{} questions", estimate.n_a);
  if (estimate.paired) return fmt::format("{} pairs", estimate.n_a);
  return fmt::format("{} and {} separate repetitions", estimate.n_a, estimate.n_b);
}

std::string too_few(const EffectEstimate& estimate, Scale scale, const GateRule& rule) {
  return fmt::format("too few {}: {} cannot give a p below {:.2g}, and alpha is {:.2g}",
                     estimate.paired ? "pairs" : "repetitions", sample_words(estimate, scale),
                     estimate.smallest_p, rule.alpha);
}

// The rule on what the samples say alone, or with what the meter may be wrong by.
Verdict decide(const EffectEstimate& estimate, Scale scale, const GateRule& rule) {
  const double limit = on_scale(rule.min_effect, scale);
  const double level = interval_level(rule);
  const Interval interval = widened(estimate, level);
  const bool shown = estimate.effect <= limit && estimate.effect < 0 && estimate.p < rule.alpha;
  const bool beyond_meter =
      estimate.meter_u <= 0 ||
      (interval.high < 0 && estimate.effect + expanded_meter_u(estimate, level) <= limit);
  if (shown && beyond_meter) return Verdict::kRegression;
  return interval.low > limit ? Verdict::kPass : Verdict::kInconclusive;
}

// "a loss of 2.00 % is neither shown nor excluded: …", and what would tell.
std::string open_question(const EffectEstimate& estimate, Scale scale, const GateRule& rule) {
  const std::string loss = percent(rule.min_effect, scale);
  EffectEstimate samples = estimate;
  samples.meter_u = 0;
  if (decide(samples, scale, rule) != Verdict::kInconclusive) {
    const Interval interval = widened(estimate, interval_level(rule));
    return fmt::format(
        "the meter may be wrong by {:.2f} % of this ratio (u_cmp, one standard uncertainty), and "
        "with that it lies between {} and {}: a loss of {} is neither shown nor excluded, and more "
        "repetitions would not tell",
        estimate.meter_u * 100, change(interval.low, scale), change(interval.high, scale), loss);
  }
  const char* more = scale == Scale::kShare ? "questions"
                     : estimate.paired      ? "pairs"
                                            : "repetitions";
  return fmt::format("a loss of {} is neither shown nor excluded: more {} or less noise would tell",
                     loss, more);
}

}  // namespace

const char* name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kRegression:
      return "regression";
    case Verdict::kInconclusive:
      break;
  }
  return "inconclusive";
}

int exit_code(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kPass:
      return 0;
    case Verdict::kRegression:
      return 3;
    case Verdict::kInconclusive:
      break;
  }
  return 4;
}

double interval_level(const GateRule& rule) noexcept { return 1 - 2 * rule.alpha; }

GateRule share_alpha(const GateRule& rule, std::size_t rows) noexcept {
  GateRule shared = rule;
  if (rows > 2) shared.alpha = 2 * rule.alpha / static_cast<double>(rows);
  return shared;
}

Judgement judge(const EffectEstimate& estimate, Scale scale, const GateRule& rule) {
  // Where answers agree there is nothing to test, but the interval still excludes: shares need no
  // least number.
  if (scale == Scale::kLogRatio && estimate.smallest_p >= rule.alpha) {
    return {Verdict::kInconclusive, too_few(estimate, scale, rule)};
  }
  const std::string found = fmt::format("{}, p {:.2g}, {}", change(estimate.effect, scale),
                                        estimate.p, sample_words(estimate, scale));
  const Verdict verdict = decide(estimate, scale, rule);
  switch (verdict) {
    case Verdict::kRegression:
      return {verdict, found};
    case Verdict::kPass:
      return {verdict,
              fmt::format("{}; a loss of {} is excluded", found, percent(rule.min_effect, scale))};
    case Verdict::kInconclusive:
      break;
  }
  return {verdict, found + "; " + open_question(estimate, scale, rule)};
}

double minimum_detectable_effect(const EffectEstimate& estimate, Scale scale,
                                 const GateRule& rule) {
  if (estimate.dof <= 0 || !std::isfinite(estimate.low) ||
      (scale == Scale::kLogRatio && estimate.smallest_p >= rule.alpha)) {
    return std::numeric_limits<double>::infinity();
  }
  const double level = interval_level(rule);
  const double meter = expanded_meter_u(estimate, level);
  const double power =
      student_t_quantile(kPower, estimate.dof) * std::hypot(estimate.stderror, estimate.meter_u);
  const double by_p = student_t_quantile(1 - rule.alpha / 2, estimate.dof) * estimate.stderror;
  const double by_interval = widened(estimate, level).high - estimate.effect;
  const double by_estimate = meter - on_scale(rule.min_effect, scale);
  const double effect = power + std::max({by_p, meter > 0 ? by_interval : 0, by_estimate});
  return loss_of(-effect, scale);
}

Judgement combine(const std::vector<Judgement>& rows) {
  if (rows.empty()) return {Verdict::kInconclusive, "nothing was compared"};
  for (const Verdict verdict : {Verdict::kRegression, Verdict::kInconclusive}) {
    const auto found = std::find_if(rows.begin(), rows.end(),
                                    [&](const Judgement& row) { return row.verdict == verdict; });
    if (found != rows.end()) return *found;
  }
  return {Verdict::kPass, fmt::format("{} of {} rows pass", rows.size(), rows.size())};
}

}  // namespace tern::harness
