#include "harness/verdict.h"

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;

// Ten paired logarithms with a given mean loss and a spread of about 1 % around it.
EffectEstimate study(double loss, double spread, int pairs = 10) {
  std::vector<double> a, b;
  for (int i = 0; i < pairs; ++i) {
    const double z = pairs > 1 ? 2.0 * i / (pairs - 1) - 1 : 0;  // -1 to 1, symmetric
    a.push_back(std::log1p(-loss) + spread * z);
    b.push_back(0);
  }
  return paired_effect(a, b, interval_level({}));
}

Verdict verdict_of(const EffectEstimate& estimate, const GateRule& rule = {}) {
  return judge(estimate, Scale::kLogRatio, rule).verdict;
}

TEST_CASE("red needs significance and size") {
  CHECK(verdict_of(study(0.05, 0.01)) == Verdict::kRegression);
  CHECK(verdict_of(study(0.021, 0.01)) == Verdict::kRegression);
  CHECK(verdict_of(study(0.004, 0.001)) == Verdict::kPass);       // significant and harmless
  CHECK(verdict_of(study(0.05, 0.2)) == Verdict::kInconclusive);  // large and noisy
}

TEST_CASE("green needs the loss excluded") {
  CHECK(verdict_of(study(0, 0.01)) == Verdict::kPass);
  CHECK(verdict_of(study(-0.05, 0.01)) == Verdict::kPass);
  CHECK(verdict_of(study(0, 0.1)) == Verdict::kInconclusive);
  CHECK(verdict_of(study(0.018, 0.01)) == Verdict::kInconclusive);  // just short of the minimum
  const Judgement noisy = judge(study(0, 0.1), Scale::kLogRatio, {});
  CHECK_THAT(noisy.reason, Contains("neither shown nor excluded"));
}

TEST_CASE("alpha that the pairs cannot reach is too few pairs, whatever they show") {
  for (const int pairs : {1, 2, 5, 7}) {
    for (const double loss : {0.0, 0.5}) {
      const Judgement few = judge(study(loss, 0.001, pairs), Scale::kLogRatio, {});
      CHECK(few.verdict == Verdict::kInconclusive);
      CHECK_THAT(few.reason, Contains("too few pairs"));
    }
  }
  CHECK(verdict_of(study(0.5, 0.001, 8)) == Verdict::kRegression);
  CHECK(verdict_of(study(0.5, 0.001, 5), {.alpha = 0.07}) == Verdict::kRegression);
  CHECK(verdict_of(study(0.5, 0.001, 5), {.alpha = 0.0625}) == Verdict::kInconclusive);
}

TEST_CASE("the minimum effect is the user's") {
  CHECK(verdict_of(study(0.05, 0.01), {.min_effect = 0.1}) == Verdict::kPass);
  CHECK(verdict_of(study(0.005, 0.001), {.min_effect = 0.001}) == Verdict::kRegression);
  CHECK(verdict_of(study(0.005, 0.001), {.min_effect = 0}) == Verdict::kRegression);
  CHECK(verdict_of(study(0, 0.001), {.min_effect = 0}) == Verdict::kInconclusive);
}

TEST_CASE("accuracy is judged in points") {
  const GateRule rule;
  const auto points = [&](int items, int only_a, int only_b) {
    return judge(mcnemar_effect(items, only_a, only_b, interval_level(rule)), Scale::kShare, rule);
  };
  CHECK(points(1000, 10, 60).verdict == Verdict::kRegression);
  CHECK(points(1000, 3, 3).verdict == Verdict::kPass);
  CHECK(points(1000, 0, 0).verdict == Verdict::kPass);
  CHECK(points(50, 0, 0).verdict == Verdict::kInconclusive);  // 50 questions exclude no 2 points
  CHECK(points(100, 0, 5).verdict == Verdict::kInconclusive);
  CHECK(points(0, 0, 0).verdict == Verdict::kInconclusive);
  CHECK_THAT(points(1000, 10, 60).reason, Contains("5.00 points"));
}

TEST_CASE("alpha is shared among more than two rows") {
  const GateRule rule;
  CHECK(share_alpha(rule, 1).alpha == rule.alpha);
  CHECK(share_alpha(rule, 2).alpha == rule.alpha);
  CHECK(share_alpha(rule, 4).alpha == Approx(rule.alpha / 2));
}

TEST_CASE("what can be detected shrinks with pairs and grows with noise") {
  const auto mde = [](double spread, int pairs) {
    return minimum_detectable_effect(study(0, spread, pairs), Scale::kLogRatio, {});
  };
  CHECK(mde(0.001, 10) > 0.02);  // never below the minimum effect
  CHECK(mde(0.001, 10) < 0.021);
  CHECK(mde(0.05, 10) > mde(0.02, 10));
  CHECK(mde(0.05, 40) < mde(0.05, 10));
  CHECK(std::isinf(mde(0.01, 5)));  // no loss at all would be found
}

TEST_CASE("one red row is red, one open row is not green, and nothing is not green") {
  const Judgement pass{Verdict::kPass, "p"}, open{Verdict::kInconclusive, "i"},
      red{Verdict::kRegression, "r"};
  CHECK(combine({pass, open, red}).reason == "r");
  CHECK(combine({pass, open, pass}).reason == "i");
  CHECK(combine({pass, pass}).verdict == Verdict::kPass);
  CHECK(combine({}).verdict == Verdict::kInconclusive);
  CHECK(exit_code(Verdict::kPass) == 0);
  CHECK(exit_code(Verdict::kRegression) == 3);
  CHECK(exit_code(Verdict::kInconclusive) == 4);
  CHECK(std::string(name(Verdict::kInconclusive)) == "inconclusive");
}

EffectEstimate metered(double loss, double spread, double meter_u, int pairs = 10) {
  EffectEstimate estimate = study(loss, spread, pairs);
  estimate.meter_u = meter_u;
  return estimate;
}

TEST_CASE("what the meter may be wrong by leaves a verdict open, and the reason says so") {
  // A quiet machine and a counter of 5 % on each side: AMD's.
  const double amd = std::hypot(0.05, 0.05);
  for (const double loss : {0.05, 0.0, -0.05}) {
    const Judgement open = judge(metered(loss, 0.001, amd), Scale::kLogRatio, {});
    INFO(open.reason);
    CHECK(open.verdict == Verdict::kInconclusive);
    CHECK_THAT(open.reason, Contains("the meter may be wrong by 7.07 %") &&
                                Contains("more repetitions would not tell"));
  }
  CHECK(verdict_of(metered(0.3, 0.001, amd)) == Verdict::kRegression);
  CHECK(verdict_of(metered(-0.3, 0.001, amd)) == Verdict::kPass);
  // A counter without a model of its own changes nothing that was clear.
  CHECK(verdict_of(metered(0.05, 0.01, 0.0005)) == Verdict::kRegression);
  CHECK(verdict_of(metered(0, 0.01, 0.0005)) == Verdict::kPass);
}

TEST_CASE("the estimate must clear the minimum effect by more than the meter may be wrong by") {
  // 2.33 times 0.5 % is 1.2 %.
  CHECK(verdict_of(metered(0.033, 0.001, 0.005)) == Verdict::kRegression);
  CHECK(verdict_of(metered(0.030, 0.001, 0.005)) == Verdict::kInconclusive);
  CHECK(verdict_of(metered(0.030, 0.001, 0)) == Verdict::kRegression);
  CHECK(verdict_of(metered(0.007, 0.001, 0.005)) == Verdict::kPass);
  CHECK(verdict_of(metered(0.009, 0.001, 0.005)) == Verdict::kInconclusive);
  CHECK(verdict_of(metered(0.009, 0.001, 0)) == Verdict::kPass);
}

TEST_CASE("noise stays the reason where noise alone leaves it open") {
  const Judgement noisy = judge(metered(0, 0.1, 0.0005), Scale::kLogRatio, {});
  CHECK_THAT(noisy.reason, Contains("more pairs or less noise") && !Contains("meter"));
}

}  // namespace
}  // namespace tern::harness
