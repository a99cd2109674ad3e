// The gate on simulated studies, seeded: what it promises about false alarms and about finding a
// loss, in the order it measures in and in the order that must not be used.

#include <cmath>
#include <functional>
#include <numbers>
#include <random>
#include <vector>

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
};

EffectEstimate simulate(Noise& noise, const Machine& machine, const Order& order, double loss) {
  std::vector<double> a(kPairs), b(kPairs);
  for (int pair = 0; pair < kPairs; ++pair) {
    for (const bool is_b : {false, true}) {
      const double elapsed = order(pair, is_b) / (2.0 * kPairs - 1);
      double speed = (1 - machine.drift * elapsed) * (1 + machine.noise * noise.normal());
      if (noise.uniform() < machine.spikes) speed *= 0.9;
      if (!is_b) speed *= 1 - loss;
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

}  // namespace
}  // namespace tern::harness
