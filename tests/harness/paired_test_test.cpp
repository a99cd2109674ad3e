#include "harness/paired_test.h"

#include <cmath>
#include <vector>

#include "tests/support/catch.h"

namespace tern::harness {
namespace {

// P of the signed-rank sum by listing all sign patterns: slow, and obviously right.
double listed_p(const std::vector<double>& differences) {
  const std::size_t n = differences.size();
  std::vector<double> ranks(n);
  for (std::size_t i = 0; i < n; ++i) {
    double below = 0, equal = 0;
    for (const double other : differences) {
      below += std::abs(other) < std::abs(differences[i]) ? 1 : 0;
      equal += std::abs(other) == std::abs(differences[i]) ? 1 : 0;
    }
    ranks[i] = below + (equal + 1) / 2;
  }
  const auto distance = [&](auto&& positive) {
    double plus = 0, all = 0;
    for (std::size_t i = 0; i < n; ++i) {
      all += ranks[i];
      if (positive(i)) plus += ranks[i];
    }
    return std::abs(plus - all / 2);
  };
  const double observed = distance([&](std::size_t i) { return differences[i] > 0; });
  int as_far = 0;
  for (unsigned pattern = 0; pattern < 1u << n; ++pattern) {
    as_far += distance([&](std::size_t i) { return (pattern >> i & 1) != 0; }) >= observed ? 1 : 0;
  }
  return as_far / std::ldexp(1.0, static_cast<int>(n));
}

TEST_CASE("the signed-rank p equals a listing of all sign patterns, also with ties") {
  const std::vector<std::vector<double>> cases = {
      {1},
      {1, -2},
      {1, 2, 3, 4, 5, 6, 7, 8},
      {0.3, -0.1, 0.7, 1.2, -0.4, 0.9, 0.2, 0.5, 1.1, -0.6},
      {1, 1, 1, -1, 2, 2, -2, 3},
      {5, 5, 5, 5, -5, -5},
      {-0.2, -0.4, -0.1, -0.9, -0.3, 0.05, -0.6},
  };
  for (const auto& differences : cases) {
    CHECK(signed_rank_p(differences) == Approx(listed_p(differences)).epsilon(1e-12));
  }
}

TEST_CASE("zeros are no evidence and NaN is no number") {
  CHECK(signed_rank_p(std::vector<double>{}) == 1);
  CHECK(signed_rank_p(std::vector<double>{0, 0, 0}) == 1);
  CHECK(signed_rank_p(std::vector<double>{0, 1, 2, 3}) ==
        signed_rank_p(std::vector<double>{1, 2, 3}));
  CHECK_THROWS_AS(signed_rank_p(std::vector<double>{std::nan("")}), std::invalid_argument);
}

TEST_CASE("the smallest p halves with each pair") {
  CHECK(smallest_signed_rank_p(0) == 1);
  CHECK(smallest_signed_rank_p(1) == 1);
  CHECK(smallest_signed_rank_p(5) == 0.0625);
  CHECK(smallest_signed_rank_p(10) == Approx(0.001953125));
  CHECK(signed_rank_p(std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) ==
        smallest_signed_rank_p(10));
  CHECK(pairs_needed(0.05) == 6);
  CHECK(pairs_needed(0.01) == 8);
  CHECK(pairs_needed(0.0625) == 6);  // 5 pairs reach it, but p must be below alpha
  CHECK_THROWS_AS(pairs_needed(0), std::invalid_argument);
}

TEST_CASE("beyond the exact range the normal approximation takes over without a step") {
  // The same pattern of signs, one pair more: exact at 25, approximated at 26.
  std::vector<double> differences;
  for (int i = 1; i <= 26; ++i) differences.push_back(i % 4 == 0 ? -i : i);
  const double approximate = signed_rank_p(differences);
  differences.pop_back();
  const double exact = signed_rank_p(differences);
  CHECK(exact < 0.05);
  CHECK(exact > 0.001);
  CHECK(std::abs(std::log(approximate / exact)) < 0.6);
  // 26 values, all positive: W = 0, mean 175.5, variance 1550.25, continuity 0.5.
  std::vector<double> positive;
  for (int i = 1; i <= 26; ++i) positive.push_back(i);
  CHECK(signed_rank_p(positive) ==
        Approx(std::erfc(175.0 / std::sqrt(1550.25) / std::sqrt(2.0))).epsilon(1e-12));
}

TEST_CASE("the paired interval is Student's") {
  const std::vector<double> a = {1.1, 2.3, 2.9, 4.2};
  const std::vector<double> b = {1.0, 2.0, 3.0, 4.0};
  const EffectEstimate estimate = paired_effect(a, b, 0.98);
  // Differences 0.1, 0.3, -0.1, 0.2: mean 0.125, s 0.170783; t_{3, 0.99} = 4.540703
  CHECK(estimate.effect == Approx(0.125));
  CHECK(estimate.stderror == Approx(0.0853913).epsilon(1e-5));
  CHECK(estimate.high - estimate.effect == Approx(4.540703 * 0.0853913).epsilon(1e-5));
  CHECK(estimate.low == Approx(0.25 - estimate.high));
  CHECK(estimate.n_a == 4);
  CHECK(estimate.dof == 3);
  CHECK(std::isinf(paired_effect(std::vector<double>{1}, std::vector<double>{2}, 0.98).high));
  CHECK_THROWS_AS(paired_effect(a, std::vector<double>{1}, 0.98), std::invalid_argument);
}

TEST_CASE("two runs are compared by Welch's test") {
  const std::vector<double> a = {27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1,
                                 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4};
  const std::vector<double> b = {27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0,
                                 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 24.4};
  const EffectEstimate estimate = unpaired_effect(a, b, 0.95);
  // p: the density of Student's t integrated numerically (Simpson, 200,000 steps).
  CHECK(estimate.effect / estimate.stderror == Approx(-2.8529549).epsilon(1e-6));
  CHECK(estimate.dof == Approx(27.8873).epsilon(1e-4));
  CHECK(estimate.p == Approx(0.00807194).epsilon(1e-3));
  CHECK(estimate.low < estimate.effect);
  CHECK(estimate.high < 0);
}

TEST_CASE("Welch's test knows what few runs cannot show") {
  const std::vector<double> three = {1.0, 1.1, 1.2}, far = {9.0, 9.1, 9.3};
  CHECK(unpaired_effect(three, far, 0.98).smallest_p == Approx(0.1));  // 2 / C(6, 3)
  const std::vector<double> five = {1, 1, 1, 1, 1}, other = {2, 2, 2, 2, 2};
  const EffectEstimate still = unpaired_effect(five, other, 0.98);  // no spread at all
  CHECK(still.p == Approx(2.0 / 252));
  CHECK(still.low == still.high);
  CHECK(unpaired_effect(five, five, 0.98).p == 1);
  CHECK(std::isinf(unpaired_effect(std::vector<double>{1}, five, 0.98).low));
}

TEST_CASE("McNemar's test counts the answers that differ") {
  // Exact binomial: 2 * P(X <= 2 | n = 12) = 2 * (1 + 12 + 66) / 4096
  const EffectEstimate estimate = mcnemar_effect(100, 2, 10, 0.95);
  CHECK(estimate.p == Approx(2.0 * 79 / 4096));
  CHECK(estimate.effect == Approx(-0.08));
  // Agresti and Min: (2 - 10) / 102 -+ 1.959964 * sqrt((12 + 1) - 64 / 102) / 102
  CHECK(estimate.low == Approx(-8.0 / 102 - 1.959964 * std::sqrt(13 - 64.0 / 102) / 102));
  CHECK(estimate.high == Approx(-8.0 / 102 + 1.959964 * std::sqrt(13 - 64.0 / 102) / 102));
  CHECK(mcnemar_effect(100, 0, 0, 0.95).p == 1);
  CHECK(mcnemar_effect(100, 5, 5, 0.95).p == 1);
  CHECK(std::isinf(mcnemar_effect(0, 0, 0, 0.95).low));
  CHECK_THROWS_AS(mcnemar_effect(3, 2, 2, 0.95), std::invalid_argument);
}

TEST_CASE("what the meter may be wrong by widens an interval by the root sum of squares") {
  const std::vector<double> a = {0.03, 0.05, 0.04, 0.06}, b = {0, 0, 0, 0};
  EffectEstimate estimate = paired_effect(a, b, 0.98);
  CHECK(expanded_meter_u(estimate, 0.98) == 0);
  CHECK(widened(estimate, 0.98).low == estimate.low);
  CHECK(widened(estimate, 0.98).high == estimate.high);
  estimate.meter_u = 0.01;
  // 2.3263 is the quantile of the normal distribution at 0.99.
  CHECK(expanded_meter_u(estimate, 0.98) == Approx(0.0232635).epsilon(1e-5));
  const Interval wide = widened(estimate, 0.98);
  const double margin = std::hypot(estimate.high - estimate.effect, 0.0232635);
  CHECK(wide.low == Approx(estimate.effect - margin));
  CHECK(wide.high == Approx(estimate.effect + margin));
  // Without an interval there is nothing to widen.
  EffectEstimate one = paired_effect(std::vector<double>{0.1}, std::vector<double>{0}, 0.98);
  one.meter_u = 0.01;
  CHECK(std::isinf(widened(one, 0.98).low));
  CHECK(std::isinf(widened(one, 0.98).high));
}

}  // namespace
}  // namespace tern::harness
