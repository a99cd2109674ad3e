#include "energy/counter_unwrapper.h"

#include <cerrno>
#include <random>
#include <vector>

#include "energy/powercap_zones.h"
#include "tests/support/catch.h"

using namespace tern::energy;

namespace {

constexpr std::int64_t kSecond_ns = 1'000'000'000;

Domain domain(std::uint64_t modulus = 262143328911, double max_power_w = 400) {
  Domain d;
  d.name = "package-0";
  d.modulus = modulus;
  d.max_power_w = max_power_w;
  d.max_silence_s = 0.1;
  return d;
}

Reading at(double time_s, std::uint64_t raw) {
  return {raw, static_cast<std::int64_t>(time_s * 1e9), 0};
}

CounterUnwrapper fed(const Domain& d, const std::vector<Reading>& readings) {
  CounterUnwrapper counter(d);
  for (const Reading& reading : readings) counter.feed(reading);
  return counter;
}

struct Trace {
  std::vector<Reading> readings;
  std::uint64_t truth = 0;
  int wraps = 0;
};

// A true, ever growing energy with its counter's value, at most dt_max_s apart and never above the
// ceiling.
Trace random_trace(std::mt19937_64& random, const Domain& d, double dt_max_s) {
  std::uniform_real_distribution<double> dt(0.01 * dt_max_s, dt_max_s);
  std::uniform_real_distribution<double> power(0.2 * d.max_power_w, d.max_power_w);
  std::uint64_t energy = std::uniform_int_distribution<std::uint64_t>(0, d.modulus - 1)(random);
  const std::uint64_t start = energy;
  std::int64_t time_ns = std::uniform_int_distribution<std::int64_t>(1, kSecond_ns)(random);
  Trace trace;
  trace.readings.push_back({energy % d.modulus, time_ns, 0});
  for (int i = 0; i < 200; ++i) {
    const double step_s = dt(random);
    const std::uint64_t before = energy / d.modulus;
    energy += static_cast<std::uint64_t>(power(random) * step_s / d.joules_per_count);
    time_ns += static_cast<std::int64_t>(step_s * 1e9);
    trace.readings.push_back({energy % d.modulus, time_ns, 0});
    trace.wraps += energy / d.modulus != before ? 1 : 0;
  }
  trace.truth = energy - start;
  return trace;
}

}  // namespace

TEST_CASE("the moduli of real ranges are 2^32 units, to less than one unit") {
  CHECK(modulus_of_range(262143328850) == 262143328911);  // 61.035 uJ
  CHECK(modulus_of_range(65532610987) == 65532611002);    // 15.258 uJ
  CHECK(modulus_of_range(65712999613) == 65712999628);    // 15.3 uJ
  CHECK(modulus_of_range(5) == 6);
}

TEST_CASE("every trace with steps up to half a wrap is exact, at full and at half the rate") {
  std::mt19937_64 random(20240611);
  int wraps = 0;
  int halved = 0;
  for (const std::uint64_t modulus :
       {262143328911ull, 65532611002ull, 65712999628ull, 1000003ull}) {
    for (int i = 0; i < 200; ++i) {
      Domain d = domain(modulus, 50 + static_cast<double>(i) * 4.75);
      d.max_silence_s = 1e9;
      const double half_wrap_s = 0.5 * static_cast<double>(modulus) * 1e-6 / d.max_power_w;
      d.update_s = std::min(1e-3, half_wrap_s * 0.01);
      const Trace trace = random_trace(random, d, i % 2 == 0 ? half_wrap_s : half_wrap_s / 2);
      CounterUnwrapper counter(d);
      std::uint64_t last = 0;
      for (const Reading& reading : trace.readings) {
        counter.feed(reading);
        REQUIRE(counter.counts() >= last);
        last = counter.counts();
      }
      REQUIRE(counter.fault() == Fault::kNone);
      REQUIRE(counter.counts() == trace.truth);
      REQUIRE(counter.wraps() == trace.wraps);
      wraps += trace.wraps;

      CounterUnwrapper sparse(d);
      for (std::size_t k = 0; k < trace.readings.size(); k += 2) sparse.feed(trace.readings[k]);
      // Half the rate may make a step ambiguous; then it must say so, and otherwise agree.
      if (sparse.fault() == Fault::kNone) {
        REQUIRE(sparse.counts() == trace.truth);
        ++halved;
      } else {
        REQUIRE(sparse.fault() == Fault::kAmbiguousWrap);
        REQUIRE(i % 2 == 0);
      }
    }
  }
  CHECK(wraps > 1000);
  CHECK(halved >= 400);
}

TEST_CASE("the sum does not depend on where in its range the counter starts") {
  const Domain d = domain();
  for (const std::uint64_t start : {0ull, 1ull, 262143328910ull, 262043328911ull}) {
    const auto raw = [&](std::uint64_t more) { return (start + more) % d.modulus; };
    const auto counter = fed(d, {at(1, raw(0)), at(1.05, raw(7'000'000)), at(1.1, raw(9'000'000))});
    CHECK(counter.fault() == Fault::kNone);
    CHECK(counter.counts() == 9'000'000);
    CHECK(counter.joules() == Approx(9.0));
  }
}

TEST_CASE("a fall that no wrap explains is a reset") {
  const auto counter = fed(domain(), {at(1, 200'000'000'000), at(2, 0)});
  CHECK(counter.fault() == Fault::kReset);
  CHECK(fed(domain(0), {at(1, 5), at(2, 4)}).fault() == Fault::kReset);
}

TEST_CASE("a rise that no power explains is implausible, and so is a value beyond the range") {
  CHECK(fed(domain(), {at(1, 0), at(2, 1ull << 36)}).fault() == Fault::kImplausible);
  CHECK(fed(domain(), {at(1, 262143328911)}).fault() == Fault::kImplausible);
  CHECK(fed(domain(), {at(1, 0), at(2, 399'000'000)}).fault() == Fault::kNone);
}

TEST_CASE("a gap that could hide a whole wrap is refused") {
  // 1795 s between readings of a 262 kJ counter that may draw 400 W: 30 811 J or 292 955 J?
  const auto counter = fed(domain(), {at(1, 0), at(1796, 30'811'000'000)});
  CHECK(counter.fault() == Fault::kAmbiguousWrap);
  CHECK_THAT(counter.why(), Catch::Contains("could hide a whole wrap"));
  CHECK(fed(domain(0), {at(1, 0), at(1796, 30'811'000'000)}).fault() == Fault::kNone);
}

TEST_CASE("readings out of time order are refused") {
  CHECK(fed(domain(), {at(2, 10), at(1, 20)}).fault() == Fault::kTimeBack);
  CHECK(fed(domain(), {at(2, 10), at(2, 20)}).fault() == Fault::kTimeBack);
}

TEST_CASE("silence beyond the domain's measure is stuck, however it is sampled") {
  CHECK(fed(domain(), {at(1, 10), at(1.05, 10)}).fault() == Fault::kNone);
  CHECK(fed(domain(), {at(1, 10), at(1.5, 10)}).fault() == Fault::kStuck);
  CHECK(fed(domain(), {at(1, 10), at(1.04, 10), at(1.08, 10), at(1.12, 10)}).fault() ==
        Fault::kStuck);
  CHECK(fed(domain(), {at(1, 10), at(1.06, 10), at(1.09, 90), at(1.15, 90)}).fault() ==
        Fault::kNone);
}

TEST_CASE("a failed reading ends the window's claim for good, with the first reason") {
  auto counter = fed(domain(), {at(1, 10), {0, kSecond_ns + 1000, ENODEV}});
  CHECK(counter.fault() == Fault::kReadError);
  CHECK_THAT(counter.why(), Catch::Contains("No such device"));
  counter.feed(at(1.01, 500));
  counter.feed(at(0.5, 500));
  CHECK(counter.fault() == Fault::kReadError);
  CHECK(counter.counts() == 0);
  CHECK_THAT(fed(domain(), {{0, 1, EBADMSG}}).why(), Catch::Contains("whole number"));
}

TEST_CASE("the safe poll is half the shortest wrap and at most ten seconds") {
  CHECK(safe_poll_s(domain(65532611002, 1000)) == 10);
  CHECK(safe_poll_s(domain(1'000'000'000, 100)) == Approx(5));
  CHECK(safe_poll_s(domain(0)) == 10);
}
