#include "harness/paired_test.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "harness/statistics.h"

namespace tern::harness {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNormalDof = 1e9;  // the normal distribution is Student's with no end of freedom

// Twice the mean ranks of |d|, so that ties keep them whole numbers. Sorted by |d|.
struct Ranked {
  std::vector<double> sorted;
  std::vector<int> doubled_ranks;
  double tie_correction = 0;  // sum of t^3 - t over groups of t ties
};

Ranked rank(std::span<const double> differences) {
  Ranked ranked;
  for (const double d : differences) {
    if (std::isnan(d)) throw std::invalid_argument("signed_rank_p: expected numbers, got NaN");
    if (d != 0) ranked.sorted.push_back(d);
  }
  std::sort(ranked.sorted.begin(), ranked.sorted.end(),
            [](double x, double y) { return std::abs(x) < std::abs(y); });
  const std::size_t n = ranked.sorted.size();
  for (std::size_t begin = 0; begin < n;) {
    std::size_t end = begin + 1;
    while (end < n && std::abs(ranked.sorted[end]) == std::abs(ranked.sorted[begin])) ++end;
    const double ties = static_cast<double>(end - begin);
    ranked.tie_correction += ties * ties * ties - ties;
    ranked.doubled_ranks.insert(ranked.doubled_ranks.end(), end - begin,
                                static_cast<int>(begin + 1 + end));
    begin = end;
  }
  return ranked;
}

// 2 P(W <= smaller), every sign pattern being equally likely: counts[s] is how many patterns give
// the positive ranks the (doubled) sum s.
double exact_p(const std::vector<int>& doubled_ranks, int smaller) {
  const int total = std::accumulate(doubled_ranks.begin(), doubled_ranks.end(), 0);
  std::vector<double> counts(static_cast<std::size_t>(total) + 1, 0);
  counts[0] = 1;
  for (const int r : doubled_ranks) {
    for (int s = total; s >= r; --s) counts[s] += counts[s - r];
  }
  double patterns = 0;
  for (int s = 0; s <= smaller; ++s) patterns += counts[s];
  return std::min(1.0, std::ldexp(patterns, 1 - static_cast<int>(doubled_ranks.size())));
}

double normal_p(const Ranked& ranked, double smaller) {
  const double n = static_cast<double>(ranked.sorted.size());
  const double mean = n * (n + 1) / 4;
  const double variance = n * (n + 1) * (2 * n + 1) / 24 - ranked.tie_correction / 48;
  const double z = std::max(0.0, mean - smaller - 0.5) / std::sqrt(variance);
  return std::erfc(z / std::sqrt(2.0));
}

double log_choose(int n, int k) {
  int sign = 0;  // lgamma_r, because std::lgamma writes a global
  const auto log_factorial = [&](int v) { return ::lgamma_r(v + 1.0, &sign); };
  return log_factorial(n) - log_factorial(k) - log_factorial(n - k);
}

void set_interval(EffectEstimate& estimate, double level) {
  const double margin = estimate.stderror > 0
                            ? student_t_quantile((1 + level) / 2, estimate.dof) * estimate.stderror
                            : 0;
  estimate.low = estimate.effect - margin;
  estimate.high = estimate.effect + margin;
}

EffectEstimate without_interval(double effect, std::size_t n_a, std::size_t n_b) {
  EffectEstimate estimate;
  estimate.n_a = static_cast<int>(n_a);
  estimate.n_b = static_cast<int>(n_b);
  estimate.effect = effect;
  estimate.low = -kInfinity;
  estimate.high = kInfinity;
  return estimate;
}

}  // namespace

double expanded_meter_u(const EffectEstimate& estimate, double level) {
  if (estimate.meter_u <= 0) return 0;
  return student_t_quantile((1 + level) / 2, kNormalDof) * estimate.meter_u;
}

Interval widened(const EffectEstimate& estimate, double level) {
  const double meter = expanded_meter_u(estimate, level);
  if (meter == 0) return {estimate.low, estimate.high};
  return {estimate.effect - std::hypot(estimate.effect - estimate.low, meter),
          estimate.effect + std::hypot(estimate.high - estimate.effect, meter)};
}

double signed_rank_p(std::span<const double> differences) {
  const Ranked ranked = rank(differences);
  if (ranked.sorted.empty()) return 1;
  int positive = 0, negative = 0;  // doubled sums
  for (std::size_t i = 0; i < ranked.sorted.size(); ++i) {
    (ranked.sorted[i] > 0 ? positive : negative) += ranked.doubled_ranks[i];
  }
  const int smaller = std::min(positive, negative);
  if (ranked.sorted.size() <= kExactPairs) return exact_p(ranked.doubled_ranks, smaller);
  return normal_p(ranked, smaller / 2.0);
}

double smallest_signed_rank_p(int n) noexcept { return n < 1 ? 1 : std::ldexp(1.0, 1 - n); }

int pairs_needed(double alpha) {
  if (!(alpha > 0 && alpha < 1))
    throw std::invalid_argument("pairs_needed: expected 0 < alpha < 1");
  int n = 1;
  while (smallest_signed_rank_p(n) >= alpha) ++n;
  return n;
}

EffectEstimate paired_effect(std::span<const double> a, std::span<const double> b, double level) {
  if (a.size() != b.size()) {
    throw std::invalid_argument("paired_effect: expected as many values on both sides");
  }
  std::vector<double> differences(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  const Summary summary = summarize(differences);
  EffectEstimate estimate = without_interval(summary.mean, a.size(), b.size());
  estimate.p = signed_rank_p(differences);
  estimate.smallest_p = smallest_signed_rank_p(summary.n);
  if (summary.n < 2) return estimate;
  estimate.dof = summary.n - 1;
  estimate.stderror = summary.stddev / std::sqrt(static_cast<double>(summary.n));
  set_interval(estimate, level);
  return estimate;
}

EffectEstimate unpaired_effect(std::span<const double> a, std::span<const double> b, double level) {
  const Summary first = summarize(a), second = summarize(b);
  EffectEstimate estimate = without_interval(first.mean - second.mean, a.size(), b.size());
  estimate.paired = false;
  if (first.n < 2 || second.n < 2) return estimate;
  estimate.smallest_p = std::min(1.0, 2 * std::exp(-log_choose(first.n + second.n, first.n)));
  const double va = first.stddev * first.stddev / first.n;
  const double vb = second.stddev * second.stddev / second.n;
  estimate.stderror = std::sqrt(va + vb);
  if (estimate.stderror > 0) {
    estimate.dof = (va + vb) * (va + vb) / (va * va / (first.n - 1) + vb * vb / (second.n - 1));
    estimate.p = student_t_two_sided_p(estimate.effect / estimate.stderror, estimate.dof);
  } else {
    // No spread at all: the order is the only evidence, and it may prove what ranks can prove.
    estimate.dof = first.n + second.n - 2;
    estimate.p = estimate.effect == 0 ? 1 : estimate.smallest_p;
  }
  set_interval(estimate, level);
  return estimate;
}

EffectEstimate mcnemar_effect(int items, int only_a, int only_b, double level) {
  if (items < 0 || only_a < 0 || only_b < 0 || only_a + only_b > items) {
    throw std::invalid_argument("mcnemar_effect: expected counts that fit into the items");
  }
  const auto size = static_cast<std::size_t>(items);
  if (items == 0) return without_interval(0, size, size);
  EffectEstimate estimate =
      without_interval(static_cast<double>(only_a - only_b) / items, size, size);
  const int discordant = only_a + only_b;
  double tail = 0;  // P(X <= min) of the binomial with 1/2
  for (int k = 0; k <= std::min(only_a, only_b); ++k) {
    tail += std::exp(log_choose(discordant, k) - discordant * std::log(2.0));
  }
  estimate.p = std::min(1.0, 2 * tail);
  estimate.smallest_p = smallest_signed_rank_p(discordant);
  const double n = items + 2.0;
  const double difference = (only_a - only_b) / n;
  estimate.stderror = std::sqrt((discordant + 1) / n - difference * difference) / std::sqrt(n);
  estimate.dof = kNormalDof;
  const double margin = student_t_quantile((1 + level) / 2, estimate.dof) * estimate.stderror;
  estimate.low = std::max(-1.0, difference - margin);
  estimate.high = std::min(1.0, difference + margin);
  return estimate;
}

}  // namespace tern::harness
