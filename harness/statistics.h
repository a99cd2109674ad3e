#pragma once
// Statistics of paired trials, computed when records are read, from raw samples.

#include <span>

namespace tern::harness {

struct Summary {
  double mean = 0;
  double stddev = 0;  // sample standard deviation (n - 1); 0 when n < 2
  int n = 0;
};
Summary summarize(std::span<const double> values);

double median(std::span<const double> values);  // n >= 1

// Quantile of Student's t distribution with `dof` degrees of freedom, 0 < p < 1, |error| < 1e-9
// relative.
double student_t_quantile(double p, double dof);
// P(|T| >= |t|) for Student's t distribution, dof > 0.
double student_t_two_sided_p(double t, double dof);

// Ratio of paired positive samples a_i / b_i: value = exp(mean of ln(a_i/b_i)), interval
// exp(mean ± t_{n-1,(1+level)/2} · s/√n). With one pair there is no interval (has_interval is
// false).
struct PairedRatio {
  double value = 0, low = 0, high = 0;
  bool has_interval = false;
  int pairs = 0;
};
PairedRatio paired_ratio(std::span<const double> a, std::span<const double> b, double level = 0.95);

// The ratio with an interval that also holds what no repetition averages out: relative_u, one
// standard uncertainty as a share of the ratio. On the scale of ln the root sum of squares of both
// margins, relative_u times the normal quantile of the level. Without an interval as it is.
PairedRatio widened(const PairedRatio& ratio, double relative_u, double level = 0.95);

}  // namespace tern::harness
