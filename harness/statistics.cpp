#include "harness/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

namespace tern::harness {
namespace {

// The continued fraction of the incomplete beta function (DLMF 8.17.22), evaluated by the modified
// method of Lentz. It converges fast for x < (a + 1) / (a + b + 2), which the caller ensures.
double beta_fraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  constexpr int kMostTerms = 100'000;
  const auto away_from_zero = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1;
  double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m <= kMostTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_zero(1 + even * d);
    c = away_from_zero(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_zero(1 + odd * d);
    c = away_from_zero(1 + odd / c);
    fraction *= d * c;
    if (std::abs(d * c - 1) < 1e-16) break;
  }
  return fraction;
}

// ln Γ(a + 1/2) - ln Γ(a). Large logarithms would cancel, so there the asymptotic series
// (DLMF 5.11.13 with its Bernoulli terms) is taken: its next term is below 1e-15 from kLarge on.
// lgamma_r, because std::lgamma writes a global.
double log_gamma_step(double a) {
  constexpr double kLarge = 50;
  if (a < kLarge) {
    int sign = 0;
    return ::lgamma_r(a + 0.5, &sign) - ::lgamma_r(a, &sign);
  }
  const double square = a * a;
  return 0.5 * std::log(a) - (1 - (1.0 / 24 - 1 / (80 * square)) / square) / (8 * a);
}

// Regularised incomplete beta function I_x(a, 1/2); y = 1 - x, given apart because it may be tiny.
double incomplete_beta(double x, double y, double a) {
  constexpr double kLogSqrtPi = 0.57236494292470008707;
  constexpr double kHalf = 0.5;
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  const double log_x = x < 0.5 ? std::log(x) : std::log1p(-y);  // whichever keeps its digits
  const double front = std::exp(log_gamma_step(a) - kLogSqrtPi + a * log_x + kHalf * std::log(y));
  if (x < (a + 1) / (a + kHalf + 2)) return front * beta_fraction(x, a, kHalf) / a;
  return 1 - front * beta_fraction(y, kHalf, a) / kHalf;
}

// P(T > t) for t >= 0: half of I_{ν/(ν+t²)}(ν/2, 1/2).
double upper_tail(double t, double dof) {
  const double square = t * t;
  return 0.5 * incomplete_beta(dof / (dof + square), square / (dof + square), dof / 2);
}

// t >= 0 with P(T > t) = tail, 0 < tail < 1/2: bisection, which cannot diverge, down to the last
// bits.
double upper_quantile(double tail, double dof) {
  double low = 0;
  double high = 1;
  while (upper_tail(high, dof) > tail) {
    low = high;
    high *= 2;
    if (!std::isfinite(high)) return std::numeric_limits<double>::infinity();
  }
  for (int i = 0; i < 200 && high - low > 1e-15 * high; ++i) {
    const double middle = low + (high - low) / 2;
    (upper_tail(middle, dof) > tail ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

}  // namespace

Summary summarize(std::span<const double> values) {
  Summary summary;
  summary.n = static_cast<int>(values.size());
  if (values.empty()) return summary;
  // Two passes: the sum of squares minus the square of the sum would cancel.
  double sum = 0;
  for (const double value : values) sum += value;
  summary.mean = sum / static_cast<double>(values.size());
  if (values.size() < 2) return summary;
  double squares = 0;
  for (const double value : values) squares += (value - summary.mean) * (value - summary.mean);
  summary.stddev = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return summary;
}

double median(std::span<const double> values) {
  if (values.empty()) throw std::invalid_argument("median: expected at least one value, got none");
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

double student_t_quantile(double p, double dof) {
  if (!(p > 0 && p < 1) || !(dof > 0)) {
    throw std::invalid_argument("student_t_quantile: expected 0 < p < 1 and dof > 0");
  }
  if (p == 0.5) return 0;
  return p < 0.5 ? -upper_quantile(p, dof) : upper_quantile(1 - p, dof);
}

double student_t_two_sided_p(double t, double dof) {
  if (std::isnan(t) || !(dof > 0)) {
    throw std::invalid_argument("student_t_two_sided_p: expected a number t and dof > 0");
  }
  return std::isinf(t) ? 0 : 2 * upper_tail(std::abs(t), dof);
}

PairedRatio paired_ratio(std::span<const double> a, std::span<const double> b, double level) {
  if (a.size() != b.size()) {
    throw std::invalid_argument("paired_ratio: expected as many values on both sides");
  }
  PairedRatio ratio;
  ratio.pairs = static_cast<int>(a.size());
  if (a.empty()) return ratio;
  std::vector<double> logs(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] > 0 && b[i] > 0)) {
      throw std::invalid_argument("paired_ratio: expected positive values");
    }
    logs[i] = std::log(a[i]) - std::log(b[i]);
  }
  const Summary summary = summarize(logs);
  ratio.value = ratio.low = ratio.high = std::exp(summary.mean);
  if (ratio.pairs < 2) return ratio;
  const double margin = student_t_quantile((1 + level) / 2, ratio.pairs - 1) * summary.stddev /
                        std::sqrt(static_cast<double>(ratio.pairs));
  ratio.low = std::exp(summary.mean - margin);
  ratio.high = std::exp(summary.mean + margin);
  ratio.has_interval = true;
  return ratio;
}

PairedRatio widened(const PairedRatio& ratio, double relative_u, double level) {
  if (!ratio.has_interval || !(relative_u > 0)) return ratio;
  constexpr double kNormal = 1e9;  // degrees of freedom without end
  const double margin = student_t_quantile((1 + level) / 2, kNormal) * relative_u;
  PairedRatio wide = ratio;
  wide.low = ratio.value * std::exp(-std::hypot(std::log(ratio.value / ratio.low), margin));
  wide.high = ratio.value * std::exp(std::hypot(std::log(ratio.high / ratio.value), margin));
  return wide;
}

}  // namespace tern::harness
