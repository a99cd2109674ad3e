// The gate on simulated studies, seeded: what it promises about false alarms and about finding a
// loss, in the order it measures in and in the order that must not be used.

#include <cmath>
#include <functional>
#include <numbers>
#include <random>
#include <vector>

#include "harness/statistics.h"
#include "harness/verdict.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

constexpr int kStudies = 2000;
constexpr int kPairs = kDefaultGatePairs;
constexpr double kNoise = 0.01;
constexpr double kDrift = 0.04;  // the machine loses this much speed over the study

// mt19937_64 is the same everywhere, and the distributions of the standard library are not.
class Noise {
 public:
  explicit Noise(std::uint64_t seed) : engine_(seed) {}
  double uniform() { return (static_cast<double>(engine_() >> 11) + 0.5) * 0x1p-53; }
  double normal() {  // Box and Muller
    return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  std::mt19937_64 engine_;
};

// Position of pair i's trial of A and of B among the 2 n trials.
using Order = std::function<int(int pair, bool is_b)>;
int abba(int pair, bool is_b) { return 2 * pair + ((pair % 2 == 0) == is_b ? 1 : 0); }
int sequential(int pair, bool is_b) { return pair + (is_b ? kPairs : 0); }

struct Machine {
  double noise = kNoise, drift = kDrift;
  double spikes = 0;  // share of trials that something else disturbs, by 10 %
  double bias = 0;    // of the meter, for A in every trial, as a logarithm
};

EffectEstimate simulate(Noise& noise, const Machine& machine, const Order& order, double loss) {
  std::vector<double> a(kPairs), b(kPairs);
  for (int pair = 0; pair < kPairs; ++pair) {
    for (const bool is_b : {false, true}) {
      const double elapsed = order(pair, is_b) / (2.0 * kPairs - 1);
      double speed = (1 - machine.drift * elapsed) * (1 + machine.noise * noise.normal());
      if (noise.uniform() < machine.spikes) speed *= 0.9;
      if (!is_b) speed *= (1 - loss) * std::exp(machine.bias);
      (is_b ? b : a)[static_cast<std::size_t>(pair)] = std::log(100 * speed);
    }
  }
  return paired_effect(a, b, interval_level({}));
}

struct Shares {
  double regression = 0, pass = 0, inconclusive = 0;
};

Shares verdicts(const Machine& machine, const Order& order, double loss, std::uint64_t seed) {
  Noise noise(seed);
  Shares shares;
  for (int i = 0; i < kStudies; ++i) {
    switch (judge(simulate(noise, machine, order, loss), Scale::kLogRatio, {}).verdict) {
      case Verdict::kRegression:
        shares.regression += 1.0 / kStudies;
        break;
      case Verdict::kPass:
        shares.pass += 1.0 / kStudies;
        break;
      case Verdict::kInconclusive:
        shares.inconclusive += 1.0 / kStudies;
        break;
    }
  }
  return shares;
}

bool keeps_its_promises(const Order& order) {
  const bool quiet = verdicts({}, order, 0, 1).regression <= kDefaultAlpha;
  const bool finds = verdicts({}, order, 0.03, 2).regression >= 0.9;
  return quiet && finds;
}

TEST_CASE("the paired gate keeps alpha and finds a 3 % loss on a machine that drifts by 4 %") {
  CHECK(keeps_its_promises(abba));
}

TEST_CASE("all of A and then all of B fails the same test") {
  CHECK_FALSE(keeps_its_promises(sequential));
  // Its false alarms are no accident: drift the other way hides a true loss.
  CHECK(verdicts({}, sequential, 0, 1).regression +
            verdicts({.drift = -kDrift}, sequential, 0, 1).regression >
        10 * kDefaultAlpha);
}

TEST_CASE("without a change most studies are green, and hardly any is open on a quiet machine") {
  const Shares same = verdicts({}, abba, 0, 3);
  CHECK(same.pass > 0.85);
  const Shares quiet = verdicts({.noise = 0.003}, abba, 0, 4);
  CHECK(quiet.pass > 0.99);
}

TEST_CASE("a loss of the minimum effect is hardly ever green") {
  CHECK(verdicts({}, abba, kDefaultMinEffect, 5).pass <= 2 * kDefaultAlpha);
}

TEST_CASE("a noisy machine is inconclusive rather than wrong") {
  const Machine shared{.noise = 0.03, .drift = kDrift, .spikes = 0.1};
  const Shares same = verdicts(shared, abba, 0, 6);
  CHECK(same.regression <= kDefaultAlpha);
  CHECK(same.inconclusive > 0.5);
  CHECK(verdicts(shared, abba, 0.05, 7).pass <= 0.02);
}

TEST_CASE("the minimum detectable effect is found as often as it says") {
  for (const double sd : {0.01, 0.03}) {
    EffectEstimate noise_of_machine;
    noise_of_machine.n_a = noise_of_machine.n_b = kPairs;
    noise_of_machine.dof = kPairs - 1;
    noise_of_machine.stderror = sd * std::sqrt(2.0 / kPairs);
    noise_of_machine.smallest_p = smallest_signed_rank_p(kPairs);
    const double mde = minimum_detectable_effect(noise_of_machine, Scale::kLogRatio, {});
    const double found = verdicts({.noise = sd}, abba, mde, 8).regression;
    CAPTURE(sd, mde, found);
    CHECK(found > kPower - 0.08);
    CHECK(found < kPower + 0.08);
  }
}

// ---- joules: a meter that is wrong by the same factor in every pair of a study

// The meter's error, drawn once per study, and what the gate was told of it.
struct Meter {
  double u = 0, told_u = 0;
};

Shares metered_verdicts(const Meter& meter, double loss, const GateRule& rule, std::uint64_t seed) {
  Noise noise(seed);
  Shares shares;
  for (int i = 0; i < kStudies; ++i) {
    const double bias = meter.u * noise.normal();
    EffectEstimate estimate = simulate(noise, {.noise = 0.003, .bias = bias}, abba, loss);
    estimate.meter_u = meter.told_u;
    const Verdict verdict = judge(estimate, Scale::kLogRatio, rule).verdict;
    (verdict == Verdict::kRegression ? shares.regression
     : verdict == Verdict::kPass     ? shares.pass
                                     : shares.inconclusive) += 1.0 / kStudies;
  }
  return shares;
}

TEST_CASE("a meter that is wrong by the same factor in all pairs does not break the promises") {
  constexpr double kU = 0.02;
  const Meter told{kU, kU}, untold{kU, 0};
  CHECK(metered_verdicts(told, 0, {}, 11).regression <= kDefaultAlpha);
  CHECK(metered_verdicts(told, kDefaultMinEffect, {}, 12).pass <= 2 * kDefaultAlpha);
  // Without a minimum effect to hide behind, too.
  CHECK(metered_verdicts(told, 0, {.min_effect = 0}, 13).regression <= 2 * kDefaultAlpha);
  // Pairs alone, however many, cannot know.
  CHECK(metered_verdicts(untold, 0, {}, 11).regression > 10 * kDefaultAlpha);
  CHECK(metered_verdicts(untold, kDefaultMinEffect, {}, 12).pass > 10 * kDefaultAlpha);
}

TEST_CASE("the minimum detectable effect knows the meter") {
  constexpr double kU = 0.01;
  EffectEstimate noise_of_machine;
  noise_of_machine.n_a = noise_of_machine.n_b = kPairs;
  noise_of_machine.dof = kPairs - 1;
  noise_of_machine.stderror = 0.003 * std::sqrt(2.0 / kPairs);
  noise_of_machine.smallest_p = smallest_signed_rank_p(kPairs);
  const double margin = student_t_quantile(1 - kDefaultAlpha, kPairs - 1);
  noise_of_machine.low = -margin * noise_of_machine.stderror;
  noise_of_machine.high = margin * noise_of_machine.stderror;
  const double without = minimum_detectable_effect(noise_of_machine, Scale::kLogRatio, {});
  noise_of_machine.meter_u = kU;
  const double mde = minimum_detectable_effect(noise_of_machine, Scale::kLogRatio, {});
  CHECK(mde > without + 0.02);
  const double found = metered_verdicts({kU, kU}, mde, {}, 14).regression;
  CAPTURE(mde, found);
  CHECK(found > kPower - 0.08);
  CHECK(found < kPower + 0.08);
}

}  // namespace
}  // namespace tern::harness
