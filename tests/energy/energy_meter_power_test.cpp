// The meter over sensors of power: how often it reads them, which windows it refuses, what it says
// of the integral.
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "energy/energy_meter.h"
#include "energy/sensor_reader.h"
#include "tests/energy/hwmon_trees.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using namespace tern::tests;
using Catch::Contains;

namespace {

constexpr std::int64_t kStep_ns = 100'000'000;

class ScriptedSensor final : public EnergySource {
 public:
  using Script = std::function<Reading(int call)>;

  ScriptedSensor(Domain domain, Script script) : script_(std::move(script)) {
    info_.name = "scripted";
    info_.coverage = "one rail";
    info_.domains = {std::move(domain)};
  }
  const SourceInfo& info() const noexcept override { return info_; }
  void read(std::span<Reading> readings) noexcept override {
    const std::lock_guard lock(mutex_);
    readings[0] = script_(calls_++);
    changed_.notify_all();
  }
  bool wait_for_calls(int calls) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return calls_ >= calls; });
  }

 private:
  SourceInfo info_;
  Script script_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int calls_ = 0;
};

Domain rail() {
  Domain domain;
  domain.name = "VDD_IN";
  domain.included = true;
  pace_power(domain, 0.005);
  domain.min_window_s = 0;
  return domain;
}

EnergyDelta window(Domain domain, ScriptedSensor::Script script) {
  EnergyMeter meter(std::make_unique<ScriptedSensor>(std::move(domain), std::move(script)));
  meter.start();
  return meter.stop();
}

Reading ramp(int call) {
  return {static_cast<std::uint64_t>(10'000'000 + 2'000'000 * call), (call + 1) * kStep_ns, 0};
}

}  // namespace

TEST_CASE("the energy of a sensor of power is the trapezoid, marked as an integral") {
  const EnergyDelta delta = window(rail(), ramp);
  INFO(delta.why);
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.total_joules == Approx(1.1));  // 10 W to 12 W in 0.1 s
  REQUIRE(delta.domains.size() == 1);
  CHECK(delta.domains[0].integrated);
  CHECK(delta.domains[0].sampling_u_joules > 0);
}

TEST_CASE("the background reader honours a sensor's own period") {
  Domain domain = rail();
  domain.longest_poll_s = 0.005;
  domain.max_power_w = 1e6;
  auto owned = std::make_unique<ScriptedSensor>(domain, ramp);
  ScriptedSensor& sensor = *owned;
  EnergyMeter meter(std::move(owned));
  meter.start();
  REQUIRE(sensor.wait_for_calls(200));  // at the slowest period of 1 s it would give up
  const EnergyDelta delta = meter.stop();
  CHECK(delta.updates >= 200);
  const double last = static_cast<double>(delta.updates - 1);
  CHECK(delta.total_joules == Approx((10 + 1 * last) * 0.1 * last));
}

TEST_CASE("a gap or a failed reading leaves no total") {
  const EnergyDelta gap = window(rail(), [](int call) {
    return Reading{10'000'000, call * 5'000'000'000, 0};
  });
  CHECK(gap.status == Status::kNotMeasured);
  CHECK_THAT(gap.why, Contains("VDD_IN: there was no reading of power for 5 s"));
  const EnergyDelta failed = window(rail(), [](int call) {
    return Reading{10'000'000, (call + 1) * kStep_ns, call == 1 ? ENODEV : 0};
  });
  CHECK(failed.status == Status::kNotMeasured);
  CHECK_THAT(failed.why, Contains("No such device"));
  CHECK(failed.total_joules == 0);
}

TEST_CASE("a window shorter than the sensor needs is refused with both times") {
  Domain slow = rail();
  slow.min_window_s = 600;
  const EnergyDelta delta = window(slow, ramp);
  CHECK(delta.status == Status::kNotMeasured);
  CHECK_THAT(delta.why,
             Contains("the window of 0.1 s is too short for this sensor") && Contains("600 s"));
  slow.min_window_s = 0.1;
  CHECK(window(slow, ramp).status == Status::kMeasured);
}

TEST_CASE("a sensor that says 0 W all the time measured nothing") {
  const EnergyDelta delta = window(rail(), [](int call) {
    return Reading{0, (call + 1) * kStep_ns, 0};
  });
  CHECK(delta.status == Status::kNotMeasured);
  CHECK_THAT(delta.why, Contains("read 0 W throughout the window"));
  CHECK_FALSE(delta.domains[0].measured);
}

TEST_CASE("a copied Jetson is metered from end to end") {
  const FakeSysfs tree;
  jetson(tree, 5);
  const auto meter = open_meter(tree.root());
  REQUIRE(meter->usable());
  CHECK(meter->info()->name == "hwmon");
  const auto begin = std::chrono::steady_clock::now();
  meter->start();
  while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(400)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const EnergyDelta delta = meter->stop();
  INFO(delta.why);
  REQUIRE(delta.status == Status::kMeasured);
  CHECK(delta.source == "hwmon");
  CHECK(delta.total_joules == Approx(10 * delta.window_s).epsilon(1e-6));
  CHECK(delta.domains[1].joules == Approx(5 * delta.window_s).epsilon(0.01));
  CHECK_FALSE(delta.domains[1].included);
}
