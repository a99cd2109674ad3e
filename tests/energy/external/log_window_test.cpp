#include "energy/external/log_window.h"

#include <algorithm>
#include <cerrno>
#include <random>

#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Trace one_counter(std::uint64_t modulus = 0) {
  Trace trace;
  trace.info = {"trace", "", {}, "one counter", false};
  Domain domain;
  domain.name = "package-0";
  domain.kind = DomainKind::kPackage;
  domain.modulus = modulus;
  domain.max_silence_s = 1000;
  domain.included = true;
  trace.info.domains.push_back(domain);
  return trace;
}

// A reading a second of 10 W, from `first_uj` on.
Trace ten_watts(int readings, std::uint64_t first_uj = 0, std::uint64_t modulus = 0) {
  Trace trace = one_counter(modulus);
  for (int i = 0; i < readings; ++i) {
    std::uint64_t raw = first_uj + static_cast<std::uint64_t>(i) * 10'000'000;
    if (modulus != 0) raw %= modulus;
    trace.readings.push_back({raw, i * kSecond, 0});
  }
  return trace;
}

EnergyDelta between(const Trace& trace, double begin_s, double end_s) {
  return energy_between(trace, static_cast<std::int64_t>(begin_s * 1e9),
                        static_cast<std::int64_t>(end_s * 1e9));
}

std::string refusal(const Trace& trace, double begin_s, double end_s) {
  const EnergyDelta delta = between(trace, begin_s, end_s);
  CHECK(delta.status == Status::kNotMeasured);
  CHECK(delta.total_joules == 0);
  for (const DomainEnergy& domain : delta.domains) CHECK_FALSE(domain.measured);
  return delta.why;
}

}  // namespace

TEST_CASE("a window of a trace is what its counter rose by, its ends in proportion") {
  const Trace trace = ten_watts(11);
  const EnergyDelta delta = between(trace, 2.25, 7.5);
  INFO(delta.why);
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.total_joules == Approx(52.5));
  CHECK(delta.window_s == Approx(5.25));
  CHECK(delta.edge_s == Approx(1));
  CHECK(delta.updates == 7);  // 3, 4, 5, 6, 7 and the two ends
  CHECK(delta.coverage == "one counter");
  CHECK(between(trace, 0, 10).total_joules == Approx(100));
  CHECK(between(trace, 3, 4).total_joules == Approx(10));
  CHECK(between(trace, 3.25, 3.75).total_joules == Approx(5));
}

TEST_CASE("a wrap within the window or under its ends is no loss") {
  constexpr std::uint64_t kModulus = 4'000'000'000;
  for (const double until_wrap_s : {2.5, 4.0, 7.25}) {
    CAPTURE(until_wrap_s);
    const auto left_uj = static_cast<std::uint64_t>(until_wrap_s * 1e7);
    const Trace trace = ten_watts(11, kModulus - left_uj, kModulus);
    CHECK(between(trace, 2.25, 7.5).total_joules == Approx(52.5));
    CHECK(between(trace, 2.75, 7.125).total_joules == Approx(43.75));
  }
}

TEST_CASE("windows side by side are the window of both") {
  std::mt19937_64 random(7);
  constexpr std::uint64_t kModulus = 3'000'000'000;
  Trace trace = one_counter(kModulus);
  std::uint64_t raw = random() % kModulus;
  std::int64_t time_ns = 0;
  for (int i = 0; i < 400; ++i) {
    trace.readings.push_back({raw, time_ns, 0});
    time_ns += 500'000'000 + static_cast<std::int64_t>(random() % 1'000'000'000);
    raw = (raw + random() % 200'000'000) % kModulus;
  }
  const std::int64_t last_ns = trace.readings.back().time_ns;
  for (int i = 0; i < 200; ++i) {
    std::int64_t at[3];
    for (std::int64_t& each : at) {
      each = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(last_ns));
    }
    std::sort(at, at + 3);
    if (at[0] == at[1] || at[1] == at[2]) continue;
    const EnergyDelta left = energy_between(trace, at[0], at[1]);
    const EnergyDelta right = energy_between(trace, at[1], at[2]);
    const EnergyDelta both = energy_between(trace, at[0], at[2]);
    INFO(left.why << right.why << both.why);
    CHECK(both.total_joules ==
          Approx(left.total_joules + right.total_joules).epsilon(0).margin(2e-6));
  }
}

TEST_CASE("a window that a trace does not cover is not measured") {
  const Trace trace = ten_watts(11);
  CHECK(refusal(trace, 5, 12.5) == "the window ends 2.5 s after the log's last sample");
  Trace late = trace;
  late.readings.erase(late.readings.begin(), late.readings.begin() + 3);
  CHECK(refusal(late, 1, 8) == "the window begins 2 s before the log's first sample");
  CHECK_THAT(refusal(trace, 5, 5), Contains("empty"));
  CHECK_THAT(refusal(one_counter(), 1, 2), Contains("no sample yet"));
  CHECK_THAT(refusal(Trace{}, 1, 2), Contains("no sample yet"));
}

TEST_CASE("a hole in a trace spoils the windows that begin or end in it") {
  Trace trace = ten_watts(31);
  trace.readings.erase(trace.readings.begin() + 11, trace.readings.begin() + 15);  // 10 to 15
  CHECK_THAT(refusal(trace, 5, 12), Contains("no sample for 5 s at an end"));
  CHECK_THAT(refusal(trace, 12, 20), Contains("no sample for 5 s at an end"));
  // A counter went on counting in it.
  CHECK(between(trace, 5, 20).total_joules == Approx(150));
}

TEST_CASE("what a meter doubts, a trace is doubted for") {
  Trace failing = ten_watts(11);
  failing.readings[5].error = EIO;
  CHECK_THAT(refusal(failing, 2.5, 8), Contains("a reading failed: Input/output error"));
  CHECK_THAT(refusal(failing, 5.5, 8), Contains("a reading failed"));
  CHECK(between(failing, 6, 8).total_joules == Approx(20));

  Trace fallen = ten_watts(11);
  fallen.readings[5].raw = 7;
  CHECK_THAT(refusal(fallen, 2.5, 8), Contains("went back"));
  CHECK_THAT(refusal(fallen, 4.25, 4.75), Contains("went back"));

  Trace fast = ten_watts(11);
  fast.readings[5].raw += 10'000'000'000;
  fast.readings[6].raw += 10'000'000'000;
  CHECK_THAT(refusal(fast, 4.9, 4.95), Contains("ceiling"));

  Trace beyond = ten_watts(11, 0, 1'000'000'000);
  beyond.readings[5].raw = 2'000'000'000;
  CHECK_THAT(refusal(beyond, 4.5, 8), Contains("beyond its range"));

  Trace unordered = ten_watts(11);
  std::swap(unordered.readings[8], unordered.readings[9]);
  CHECK_THAT(refusal(unordered, 2, 5), Contains("not in time order"));

  Trace still = ten_watts(11);
  for (Reading& reading : still.readings) reading.raw = 42;
  CHECK_THAT(refusal(still, 2, 5), Contains("did not move"));
}

TEST_CASE("domains that do not count are named beside those that do") {
  const Parsed<Trace> trace = parse_trace(
      "0,package-0,0,0\n0,psys,0,0\n1000000000,package-0,10000000,0\n1000000000,psys,70000000,0\n"
      "2000000000,package-0,20000000,0\n2000000000,psys,90000000,0\n");
  REQUIRE(trace);
  const EnergyDelta delta = between(*trace, 0.5, 1.5);
  INFO(delta.why);
  CHECK(delta.total_joules == Approx(10));
  REQUIRE(delta.domains.size() == 2);
  CHECK(delta.domains[1].joules == Approx(45));
  CHECK_FALSE(delta.domains[1].included);
  CHECK(delta.domains[1].why == "contains the packages");
}

TEST_CASE("only what ends with a line break is complete") {
  CHECK(complete_lines("a\nb") == "a\n");
  CHECK(complete_lines("a\nb\n") == "a\nb\n");
  CHECK(complete_lines("a").empty());
  CHECK(complete_lines("").empty());
}
