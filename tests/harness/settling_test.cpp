#include "harness/settling.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using nlohmann::json;

// Time that passes only while the machine rests.
class Clock final : public Instruments {
 public:
  std::int64_t unix_ns() override { return 1'700'000'000'000'000'000 + rested * 1'000'000'000LL; }
  std::int64_t monotonic_ns() override { return unix_ns(); }
  void rest(int seconds) override {
    rested += seconds;
    if (signal != nullptr && rested >= stop_at) signal->store(true);
  }
  void start() override { FAIL("nothing is metered while the machine settles"); }
  void stop(Trial&) override { FAIL("nothing is metered while the machine settles"); }

  int rested = 0, stop_at = 0;
  std::atomic<bool>* signal = nullptr;
};

// 20 degrees too warm, and half a degree less with every second.
SettlingPlan cooling(Clock& clock, int idle_s) {
  SettlingPlan plan = settling_plan(idle_s, false, true);
  plan.excess_c = [&clock] { return std::optional<double>(20 - 0.5 * clock.rested); };
  return plan;
}

TEST_CASE("the rest ends when the machine is about as cool as before any work") {
  Clock clock;
  const Settling settling = settle(clock, cooling(clock, 60));
  CHECK(settling.rest_s == 36);
  CHECK(clock.rested == 36);
  CHECK(settling.end == SettlingEnd::kCool);
  CHECK(settling.first_excess_c == Approx(20));
  CHECK(settling.last_excess_c == Approx(kCool_c));
  CHECK(settling.start_unix_ns == 1'700'000'000'000'000'000);
}

TEST_CASE("a machine that is cool does not rest") {
  Clock clock;
  clock.rested = 100;
  CHECK(settle(clock, cooling(clock, 60)).rest_s == 0);
  CHECK(clock.rested == 100);
}

TEST_CASE("the rest is bounded by the idle windows it is for, and by three minutes") {
  Clock clock;
  const Settling settling = settle(clock, cooling(clock, 10));
  CHECK(settling.rest_s == 30);
  CHECK(settling.end == SettlingEnd::kLimit);
  CHECK(settling.last_excess_c == Approx(5));
  CHECK(settling_plan(3600, false, true).limit_s == 180);
}

TEST_CASE("without sensors the rest is fixed, and follows trials only") {
  for (const auto& [idle_s, rest_s] : {std::pair(10, 10), {2, 2}, {60, 30}}) {
    Clock clock;
    SettlingPlan plan = settling_plan(idle_s, false, true);
    plan.excess_c = [] { return std::optional<double>(); };
    const Settling settling = settle(clock, plan);
    CHECK(settling.rest_s == rest_s);
    CHECK(clock.rested == rest_s);
    CHECK(settling.end == SettlingEnd::kNoSensor);
  }
  Clock clock;
  SettlingPlan plan = settling_plan(10, true, false);
  plan.excess_c = [] { return std::optional<double>(); };
  CHECK(settle(clock, plan).rest_s == 0);
  CHECK(clock.rested == 0);
}

TEST_CASE("an interrupt ends the rest") {
  std::atomic<bool> stop{false};
  Clock clock;
  clock.signal = &stop;
  clock.stop_at = 4;
  SettlingPlan plan = cooling(clock, 60);
  plan.stop = &stop;
  CHECK(settle(clock, plan).rest_s == 4);
}

TEST_CASE("the excess is that of the sensor that rose most, of those known before") {
  const json start = {{"temperatures_c", {{"package", 40.0}, {"board", 80.0}, {"gone", 20.0}}}};
  const json now = {{"temperatures_c", {{"package", 55.5}, {"board", 81.0}, {"new", 90.0}}}};
  CHECK(temperature_excess_c(now, start).value() == Approx(15.5));
  CHECK(temperature_excess_c(start, now).value() == Approx(-1));
  CHECK_FALSE(temperature_excess_c(json::object(), start).has_value());
  CHECK_FALSE(temperature_excess_c(now, json::object()).has_value());
  const json other = {{"temperatures_c", {{"elsewhere", 20.0}}}};
  CHECK_FALSE(temperature_excess_c(other, start).has_value());
}

TEST_CASE("the record says how long the rest was and what ended it") {
  Record record = Record::begin("scalar");
  Clock clock;
  record_settling(record, settle(clock, cooling(clock, 10)));
  SettlingPlan blind = settling_plan(4, true, true);
  blind.excess_c = [] { return std::optional<double>(); };
  record_settling(record, settle(clock, blind));
  const json& parts = record.document()["settling"];
  REQUIRE(parts.size() == 2);
  CHECK(parts[0]["when"] == "after");
  CHECK(parts[0]["rest_s"] == 30);
  CHECK(parts[0]["ended"] == "limit");
  CHECK(parts[0]["excess_c"] == json{{"first", 20.0}, {"last", 5.0}});
  CHECK(parts[1]["when"] == "before");
  CHECK(parts[1]["ended"] == "no_sensor");
  CHECK_FALSE(parts[1].contains("excess_c"));
}

}  // namespace
}  // namespace tern::harness
