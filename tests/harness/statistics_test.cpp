#include "harness/statistics.h"

#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Values = std::vector<double>;

TEST_CASE("summarize: mean and sample standard deviation") {
  const Summary summary = summarize(Values{2, 4, 4, 4, 5, 5, 7, 9});
  CHECK(summary.n == 8);
  CHECK(summary.mean == 5);
  CHECK(summary.stddev == Approx(std::sqrt(32.0 / 7)).epsilon(1e-14));
  CHECK(summarize(Values{}).n == 0);
  CHECK(summarize(Values{3}).stddev == 0);
}

TEST_CASE("summarize: a small spread on a large mean survives") {
  const Summary summary = summarize(Values{1e9 + 1, 1e9 + 2, 1e9 + 3});
  CHECK(summary.stddev == Approx(1).epsilon(1e-12));
}

TEST_CASE("median of odd and even counts") {
  CHECK(median(Values{9, 1, 5}) == 5);
  CHECK(median(Values{4, 1, 3, 2}) == 2.5);
  CHECK_THROWS_AS(median(Values{}), std::invalid_argument);
}

// Computed to 50 digits from the finite sums for integer degrees of freedom (Abramowitz and Stegun,
// 26.7.3 and 26.7.4), inverted by bisection.
TEST_CASE("Student's t quantiles equal the exact values") {
  struct Row {
    double p;
    int dof;
    double t;
  };
  constexpr Row kRows[] = {
      {0.975, 1, 12.7062047361747046},   {0.975, 2, 4.30265272974946385},
      {0.975, 3, 3.18244630528370959},   {0.975, 4, 2.77644510519779435},
      {0.975, 9, 2.26215716279820554},   {0.975, 29, 2.04522964213270429},
      {0.975, 120, 1.97993040508244084}, {0.995, 1, 63.6567411628715809},
      {0.995, 2, 9.92484320091829311},   {0.995, 5, 4.03214298355522807},
      {0.995, 19, 2.86093460646497919},  {0.9, 3, 1.63774435369621010},
      {0.9, 7, 1.41492392765050847},     {0.9995, 1, 636.619248768719616},
      {0.9995, 4, 8.61030158137927509},  {0.9995, 120, 3.37345376856250038},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.p, row.dof);
    CHECK(student_t_quantile(row.p, row.dof) == Approx(row.t).epsilon(1e-9));
    CHECK(student_t_quantile(1 - row.p, row.dof) == Approx(-row.t).epsilon(1e-9));
  }
}

TEST_CASE("Student's t quantile: closed forms, the middle, the normal limit, bad arguments") {
  constexpr double kPi = 3.14159265358979323846;
  for (const double p : {0.51, 0.6, 0.75, 0.99, 0.9999}) {
    CAPTURE(p);
    CHECK(student_t_quantile(p, 1) == Approx(std::tan(kPi * (p - 0.5))).epsilon(1e-9));
    const double two = (2 * p - 1) * std::sqrt(2 / (4 * p * (1 - p)));
    CHECK(student_t_quantile(p, 2) == Approx(two).epsilon(1e-9));
  }
  CHECK(student_t_quantile(0.5, 7) == 0);
  CHECK(student_t_quantile(0.975, 1e9) == Approx(1.9599639845400545).epsilon(1e-7));
  CHECK_THROWS_AS(student_t_quantile(1, 3), std::invalid_argument);
  CHECK_THROWS_AS(student_t_quantile(0, 3), std::invalid_argument);
  CHECK_THROWS_AS(student_t_quantile(0.9, 0), std::invalid_argument);
}

TEST_CASE("paired_ratio: value, interval, and what it refuses") {
  const PairedRatio exact = paired_ratio(Values{2, 4, 6}, Values{1, 2, 3});
  CHECK(exact.value == Approx(2).epsilon(1e-14));
  CHECK(exact.low == Approx(2).epsilon(1e-14));
  CHECK(exact.high == Approx(2).epsilon(1e-14));
  CHECK(exact.pairs == 3);

  // ln ratios are -d, 0, d: s = d, and the interval is exp(±t·d/√3).
  const double d = 0.1;
  const PairedRatio spread = paired_ratio(Values{std::exp(-d), 1, std::exp(d)}, Values{1, 1, 1});
  CHECK(spread.has_interval);
  CHECK(spread.value == Approx(1).epsilon(1e-12));
  CHECK(spread.high == Approx(std::exp(4.30265272974946385 * d / std::sqrt(3.0))).epsilon(1e-9));
  CHECK(spread.low * spread.high == Approx(1).epsilon(1e-12));

  const PairedRatio one = paired_ratio(Values{3}, Values{2});
  CHECK_FALSE(one.has_interval);
  CHECK(one.value == Approx(1.5));
  CHECK_FALSE(paired_ratio(Values{}, Values{}).has_interval);
  CHECK_THROWS_AS(paired_ratio(Values{1, 2}, Values{1}), std::invalid_argument);
  CHECK_THROWS_AS(paired_ratio(Values{0}, Values{1}), std::invalid_argument);
}

TEST_CASE("paired_ratio: the 95 % interval covers the truth in 95 % of studies") {
  std::mt19937_64 random(20240607);
  std::normal_distribution<double> noise(0, 1);
  constexpr int kStudies = 4000;
  constexpr double kTruth = 2.37;
  for (const int pairs : {3, 5, 10}) {
    int covered = 0;
    for (int study = 0; study < kStudies; ++study) {
      Values a, b;
      double drift = 0;
      for (int i = 0; i < pairs; ++i) {
        // The machine drifts from pair to pair, both subjects of one pair alike.
        drift += 0.05 * noise(random);
        a.push_back(kTruth * 10 * std::exp(drift + 0.02 * noise(random)));
        b.push_back(10 * std::exp(drift + 0.03 * noise(random)));
      }
      const PairedRatio ratio = paired_ratio(a, b);
      covered += ratio.low <= kTruth && kTruth <= ratio.high ? 1 : 0;
    }
    CAPTURE(pairs, covered);
    CHECK(covered >= 0.93 * kStudies);
    CHECK(covered <= 0.97 * kStudies);
  }
}

TEST_CASE("a ratio is widened on the scale of its logarithm") {
  PairedRatio ratio{.value = 2, .low = 2 / 1.1, .high = 2 * 1.1, .has_interval = true, .pairs = 5};
  CHECK(widened(ratio, 0).high == ratio.high);
  const PairedRatio wide = widened(ratio, 0.05);
  const double factor = std::exp(std::hypot(std::log(1.1), 1.959964 * 0.05));
  CHECK(wide.value == 2);
  CHECK(wide.high == Approx(2 * factor));
  CHECK(wide.low == Approx(2 / factor));
  ratio.has_interval = false;
  CHECK(widened(ratio, 0.05).low == ratio.low);
}

}  // namespace
}  // namespace tern::harness
