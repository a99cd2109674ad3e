#include "energy/counter_unwrapper.h"

#include <algorithm>
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
// ceiling; now and then nothing flows.
Trace random_trace(std::mt19937_64& random, const Domain& d, double dt_max_s) {
  std::uniform_real_distribution<double> dt(0.01 * dt_max_s, dt_max_s);
  std::uniform_real_distribution<double> power(0, d.max_power_w);
  std::uint64_t energy = std::uniform_int_distribution<std::uint64_t>(0, d.modulus - 1)(random);
  const std::uint64_t start = energy;
  std::int64_t time_ns = std::uniform_int_distribution<std::int64_t>(1, kSecond_ns)(random);
  Trace trace;
  trace.readings.push_back({energy % d.modulus, time_ns, 0});
  const int steps = std::uniform_int_distribution<int>(1, 60)(random);
  for (int i = 0; i < steps; ++i) {
    const double step_s = dt(random);
    const double power_w = i % 7 == 6 ? 0 : power(random);
    const std::uint64_t before = energy / d.modulus;
    energy += static_cast<std::uint64_t>(power_w * step_s / d.joules_per_count);
    time_ns += static_cast<std::int64_t>(step_s * 1e9);
    trace.readings.push_back({energy % d.modulus, time_ns, 0});
    trace.wraps += energy / d.modulus != before ? 1 : 0;
  }
  trace.truth = energy - start;
  return trace;
}

bool never_falls(const Domain& d, const std::vector<Reading>& readings) {
  CounterUnwrapper counter(d);
  std::uint64_t last = 0;
  for (const Reading& reading : readings) {
    counter.feed(reading);
    if (counter.counts() < last) return false;
    last = counter.counts();
  }
  return true;
}

// The same energy from another place in the range.
std::vector<Reading> shifted(std::vector<Reading> readings, const Domain& d, std::uint64_t by) {
  for (Reading& reading : readings) reading.raw = (reading.raw + by) % d.modulus;
  return readings;
}

std::vector<Reading> every_other(const std::vector<Reading>& readings) {
  std::vector<Reading> kept;
  for (std::size_t k = 0; k < readings.size(); k += 2) kept.push_back(readings[k]);
  if (readings.size() % 2 == 0) kept.push_back(readings.back());
  return kept;
}

}  // namespace

TEST_CASE("the moduli of real ranges are 2^32 units, to less than one unit") {
  CHECK(modulus_of_range(262143328850) == 262143328911);  // 61.035 uJ
  CHECK(modulus_of_range(65532610987) == 65532611002);    // 15.258 uJ
  CHECK(modulus_of_range(65712999613) == 65712999628);    // 15.3 uJ
  CHECK(modulus_of_range(5) == 6);
}

TEST_CASE("20000 random traces with wraps reproduce the exact energy") {
  std::mt19937_64 random(20240611);
  constexpr std::uint64_t kModuli[] = {262143328911, 65532611002, 65712999628, 4294967296000000,
                                       1000003};
  constexpr int kTraces = 20'000;
  int with_wraps = 0;
  int halved = 0;
  int refused = 0;
  for (int i = 0; i < kTraces; ++i) {
    const std::uint64_t modulus = kModuli[i % 5];
    Domain d = domain(modulus, std::uniform_real_distribution<double>(50, 1000)(random));
    // The units in use: what a count is worth changes nothing in counts.
    d.joules_per_count = i % 2 == 0 ? 1e-6 : joules_per_microjoule_count(65532610987);
    d.max_silence_s = 1e18;
    const double half_wrap_s =
        0.5 * static_cast<double>(modulus) * d.joules_per_count / d.max_power_w;
    d.update_s = std::min(1e-3, half_wrap_s * 0.01);
    const bool slow = i % 4 < 2;
    const Trace trace = random_trace(random, d, slow ? half_wrap_s : half_wrap_s / 2);
    const CounterUnwrapper counter = fed(d, trace.readings);
    INFO("trace " << i << ": " << counter.why());
    REQUIRE(counter.fault() == Fault::kNone);
    REQUIRE(counter.counts() == trace.truth);
    REQUIRE(counter.wraps() == trace.wraps);
    REQUIRE(never_falls(d, trace.readings));
    with_wraps += trace.wraps > 0 ? 1 : 0;

    const auto by = std::uniform_int_distribution<std::uint64_t>(0, modulus - 1)(random);
    REQUIRE(fed(d, shifted(trace.readings, d, by)).counts() == trace.truth);

    // Half the rate may make a step ambiguous; then it must say so, and otherwise agree.
    const CounterUnwrapper sparse = fed(d, every_other(trace.readings));
    if (sparse.fault() == Fault::kNone) {
      REQUIRE(sparse.counts() == trace.truth);
      ++halved;
    } else {
      REQUIRE(sparse.fault() == Fault::kAmbiguousWrap);
      REQUIRE(slow);
      ++refused;
    }
  }
  CHECK(with_wraps > 15'000);
  CHECK(halved >= kTraces / 2);
  CHECK(refused > 500);
}

TEST_CASE("in random traces a reset is never taken for a wrap") {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    Domain d = domain(262143328911, 400);
    d.max_silence_s = 1e18;
    Trace trace = random_trace(random, d, 10);  // a wrap takes eleven minutes
    // Restarted from zero somewhere: below a fourteenth of the range, from above it.
    const std::size_t cut = 1 + random() % (trace.readings.size() - 1);
    for (std::size_t k = 0; k < trace.readings.size(); ++k) {
      trace.readings[k].raw = 100'000'000'000 + k * 1'000'000;
      if (k >= cut) trace.readings[k].raw = (k - cut) * 1'000'000;
    }
    REQUIRE(fed(d, trace.readings).fault() == Fault::kReset);
  }
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
  // Back by one is no wrap of all but one.
  CHECK(fed(domain(), {at(1, 5000), at(2, 4999)}).fault() == Fault::kReset);
}

TEST_CASE("a rise that no power explains is implausible, and so is a value beyond the range") {
  CHECK(fed(domain(), {at(1, 0), at(2, 1ull << 36)}).fault() == Fault::kImplausible);
  CHECK(fed(domain(0), {at(1, 0), at(2, 1ull << 40)}).fault() == Fault::kImplausible);
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

TEST_CASE("a gap in which the kernel's own sum may slip is refused") {
  // 300 W over the 163.84 s of the kernel's timer: 49152 J of truth, and -16384 J in its sum.
  Domain d = domain(0, 1000);
  d.joules_per_count = 0x1p-32;
  d.safe_joules = 16384;
  d.max_silence_s = 1e9;
  const auto raw = [](double energy_j) { return static_cast<std::uint64_t>(energy_j * 0x1p32); };
  const auto rare = fed(d, {at(1, 0), at(164.84, raw(16384))});
  CHECK(rare.fault() == Fault::kAmbiguousWrap);
  CHECK_THAT(rare.why(), Catch::Contains("kernel"));
  CHECK(safe_poll_s(d) == 10);
  std::vector<Reading> often;
  for (int i = 0; i <= 16; ++i) often.push_back(at(1 + i * 10.24, raw(i * 10.24 * 300)));
  const auto counter = fed(d, often);
  CHECK(counter.fault() == Fault::kNone);
  CHECK(counter.joules() == Approx(49152));
  d.max_power_w = 4000;
  CHECK(safe_poll_s(d) == Approx(4.096));
}

TEST_CASE("a tree written at its author's pace may be late, but not absurd") {
  Domain d = domain(262143328911, 100);
  // Half a second of energy appears at once.
  CHECK(fed(d, {at(1, 0), at(1.001, 50'000'000)}).fault() == Fault::kImplausible);
  d.late_s = 1;
  CHECK(fed(d, {at(1, 0), at(1.001, 50'000'000)}).fault() == Fault::kNone);
  CHECK(fed(d, {at(1, 0), at(1.001, 500'000'000)}).fault() == Fault::kImplausible);
}

TEST_CASE("the safe poll is half the shortest wrap and at most ten seconds") {
  CHECK(safe_poll_s(domain(65532611002, 1000)) == 10);
  CHECK(safe_poll_s(domain(1'000'000'000, 100)) == Approx(5));
  CHECK(safe_poll_s(domain(0)) == 10);
}
