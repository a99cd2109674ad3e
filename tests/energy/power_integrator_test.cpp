#include "energy/power_integrator.h"

#include <cerrno>
#include <cmath>
#include <random>
#include <vector>

#include "energy/domain_accumulator.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

constexpr std::int64_t kSecond_ns = 1'000'000'000;

Domain sensor() {
  Domain domain;
  domain.quantity = Quantity::kPower;
  domain.max_power_w = 500;
  domain.longest_gap_s = 2;
  domain.no_data = "the battery was not discharging";
  return domain;
}

Reading watts(double power_w, std::int64_t time_ns) {
  return {static_cast<std::uint64_t>(std::llround(power_w * 1e6)), time_ns, 0};
}

PowerIntegrator fed(const Domain& domain, const std::vector<Reading>& readings) {
  PowerIntegrator integral(domain);
  for (const Reading& reading : readings) integral.feed(reading);
  return integral;
}

}  // namespace

TEST_CASE("power that changes in straight lines between readings is integrated exactly") {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> power_w(0, 400);
  std::uniform_int_distribution<std::int64_t> step_ns(1'000'000, kSecond_ns);
  for (int trace = 0; trace < 2000; ++trace) {
    PowerIntegrator integral(sensor());
    std::int64_t now_ns = 1;
    double previous_w = 0;
    double truth_j = 0;
    for (int i = 0; i < 20; ++i) {
      const std::int64_t dt_ns = i == 0 ? 0 : step_ns(random);
      const Reading reading = watts(power_w(random), now_ns += dt_ns);
      const double now_w = static_cast<double>(reading.raw) * 1e-6;
      integral.feed(reading);
      const double dt_s = static_cast<double>(dt_ns) * 1e-9;
      truth_j += previous_w * dt_s + 0.5 * (now_w - previous_w) * dt_s;
      previous_w = now_w;
    }
    REQUIRE(integral.fault() == Fault::kNone);
    CHECK(integral.joules() == Approx(truth_j));
  }
}

TEST_CASE("readings in between that lie on the line change nothing") {
  const PowerIntegrator coarse = fed(sensor(), {watts(10, 0), watts(30, kSecond_ns)});
  const PowerIntegrator fine =
      fed(sensor(), {watts(10, 0), watts(15, kSecond_ns / 4), watts(30, kSecond_ns)});
  CHECK(coarse.joules() == Approx(20));
  CHECK(fine.joules() == Approx(20));
}

TEST_CASE("a failed reading is a fault with its reason, and nothing heals it") {
  PowerIntegrator integral = fed(sensor(), {watts(10, 0), {0, kSecond_ns, ENODEV}});
  CHECK(integral.fault() == Fault::kReadError);
  CHECK_THAT(integral.why(), Contains("No such device"));
  integral.feed(watts(10, 2 * kSecond_ns));
  CHECK(integral.fault() == Fault::kReadError);
  CHECK(integral.joules() == 0);
  CHECK_THAT(fed(sensor(), {{0, 0, ENODATA}}).why(), Contains("not discharging"));
  CHECK_THAT(fed(sensor(), {{0, 0, ERANGE}}).why(), Contains("negative"));
  CHECK_THAT(fed(sensor(), {{0, 0, EBADMSG}}).why(), Contains("not what this sensor gives"));
  Domain plain = sensor();
  plain.no_data.clear();
  CHECK_THAT(fed(plain, {{0, 0, ENODATA}}).why(), Contains("a reading failed"));
}

TEST_CASE("a late reading is a gap, not a bridge") {
  const PowerIntegrator late = fed(sensor(), {watts(10, 0), watts(10, 2 * kSecond_ns + 1)});
  CHECK(late.fault() == Fault::kGap);
  CHECK_THAT(late.why(), Contains("no reading of power for 2 s"));
  const PowerIntegrator in_time = fed(sensor(), {watts(10, 0), watts(10, 2 * kSecond_ns)});
  CHECK(in_time.fault() == Fault::kNone);
  CHECK(in_time.joules() == Approx(20));
}

TEST_CASE("readings out of order and powers beyond the ceiling are refused") {
  CHECK(fed(sensor(), {watts(10, 5), watts(10, 5)}).fault() == Fault::kTimeBack);
  CHECK(fed(sensor(), {watts(10, 5), watts(10, 4)}).fault() == Fault::kTimeBack);
  const PowerIntegrator absurd = fed(sensor(), {watts(500.1, 0)});
  CHECK(absurd.fault() == Fault::kImplausible);
  CHECK_THAT(absurd.why(), Contains("500.1 W") && Contains("500 W"));
  CHECK(fed(sensor(), {watts(500, 0)}).fault() == Fault::kNone);
}

TEST_CASE("the uncertainty of the edges is that of averaging, from the largest power") {
  Domain domain = sensor();
  domain.averaging_s = 0.05;
  const PowerIntegrator steady = fed(domain, {watts(100, 0), watts(100, kSecond_ns)});
  CHECK(steady.u_joules() == Approx(100 * 0.05 / std::sqrt(6.0)));
  CHECK(fed(sensor(), {watts(100, 0), watts(100, kSecond_ns)}).u_joules() == 0);
}

// A sensor that averages over tau, read every 10 ms; the load starts or ends with the window.
TEST_CASE("what averaging leaks over the edges stays within two uncertainties") {
  constexpr double kTau_s = 0.05;
  constexpr double kWindow_s = 1;
  Domain domain = sensor();
  domain.averaging_s = kTau_s;
  for (const double before_w : {0.0, 50.0, 100.0}) {
    constexpr double kLoad_w = 100;
    PowerIntegrator integral(domain);
    for (int i = 0; i <= 100; ++i) {
      const double now_s = 0.01 * i;
      const double share = std::min(1.0, now_s / kTau_s);
      integral.feed(watts(before_w + (kLoad_w - before_w) * share, i * 10'000'000));
    }
    const double error_j = integral.joules() - kLoad_w * kWindow_s;
    CHECK(error_j == Approx(0.5 * kTau_s * (before_w - kLoad_w)).margin(0.01));
    CHECK(std::abs(error_j) <= 2 * integral.u_joules());
  }
}

TEST_CASE("the uncertainty of sampling is the error's true size where power steps at random") {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> power_w(0, 400);
  std::uniform_real_distribution<double> place(0, 1);
  double squared_error = 0;
  double squared_u = 0;
  for (int trial = 0; trial < 4000; ++trial) {
    PowerIntegrator integral(sensor());
    double truth_j = 0;
    double before_w = power_w(random);
    integral.feed(watts(before_w, 0));
    for (int i = 1; i <= 10; ++i) {
      const double after_w = power_w(random);
      const double at = place(random);
      truth_j += before_w * at + after_w * (1 - at);
      integral.feed(watts(after_w, i * kSecond_ns));
      before_w = after_w;
    }
    squared_error += std::pow(integral.joules() - truth_j, 2);
    squared_u += std::pow(integral.u_joules(), 2);
  }
  CHECK(std::sqrt(squared_error / squared_u) == Approx(1).epsilon(0.03));
}

TEST_CASE("an accumulator unwraps counters and integrates powers") {
  Domain counter;
  counter.modulus = 1000;
  counter.joules_per_count = 1;
  counter.max_power_w = 500;
  DomainAccumulator unwrapped(counter);
  for (const std::uint64_t raw : {900u, 100u}) {
    unwrapped.feed({raw, raw == 900 ? 0 : kSecond_ns, 0});
  }
  CHECK(unwrapped.fault() == Fault::kNone);
  CHECK(unwrapped.moved());
  CHECK(unwrapped.joules() == Approx(200));
  CHECK(unwrapped.sampling_u_joules() == 0);

  Domain power = sensor();
  power.averaging_s = 0.1;
  DomainAccumulator integrated(power);
  integrated.feed(watts(900 * 1e-6, 0));
  integrated.feed(watts(100 * 1e-6, kSecond_ns));  // falls, and that is no wrap
  CHECK(integrated.fault() == Fault::kNone);
  CHECK(integrated.moved());
  CHECK(integrated.joules() == Approx(500e-6));
  CHECK(integrated.sampling_u_joules() > 0);

  DomainAccumulator silent(sensor());
  silent.feed(watts(0, 0));
  silent.feed(watts(0, kSecond_ns));
  CHECK_FALSE(silent.moved());
  silent.feed({0, 2 * kSecond_ns, EIO});
  CHECK(silent.fault() == Fault::kReadError);
  CHECK_THAT(silent.why(), Contains("Input/output error"));
}
