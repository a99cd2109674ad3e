// What a window says that its own metering took. The sources of these tests pretend that a reading
// costs many days, beside which what the test itself takes is nothing.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "energy/cpu_spent.h"
#include "energy/energy_meter.h"
#include "tests/support/catch.h"

using namespace tern::energy;

namespace {

constexpr std::int64_t kReading_ns = 1'000'000'000'000'000;
constexpr double kReading_s = 1e6;

struct Costs {
  std::mutex mutex;
  std::condition_variable changed;
  int readings = 0;
  std::atomic<std::int64_t> own_ns{0};
  std::atomic<int> pauses{0}, resumes{0};

  // False when the background thread gives no sign of life.
  bool wait_for(int count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(60), [&] { return readings >= count; });
  }
};

class DearSource final : public EnergySource {
 public:
  DearSource(Costs& costs, bool stored) : costs_(costs), stored_(stored) {
    Domain domain;
    domain.name = "package-0";
    domain.included = true;
    domain.longest_poll_s = 1e-3;
    domain.max_silence_s = 1e6;
    info_.name = "dear";
    info_.coverage = "1 of 1 packages";
    info_.domains = {domain};
  }

  const SourceInfo& info() const noexcept override { return info_; }
  void read(std::span<Reading> readings) noexcept override {
    const std::lock_guard lock(costs_.mutex);
    ++costs_.readings;
    const std::int64_t step = costs_.readings;
    readings[0] = {static_cast<std::uint64_t>(1000 * step), step * 1'000'000, 0};
    add_helper_cpu(kReading_ns);
    costs_.changed.notify_all();
  }
  std::optional<std::size_t> stored() const noexcept override {
    return stored_ ? std::optional<std::size_t>(0) : std::nullopt;
  }
  std::int64_t own_cpu_ns() const noexcept override { return costs_.own_ns; }
  void pause() noexcept override { ++costs_.pauses; }
  void resume() noexcept override { ++costs_.resumes; }

 private:
  Costs& costs_;
  bool stored_;
  SourceInfo info_;
};

}  // namespace

TEST_CASE("the readings at both ends and those in between are the meter's own cost") {
  Costs costs;
  EnergyMeter meter(std::make_unique<DearSource>(costs, false));
  for (int window = 0; window < 3; ++window) {
    const int before = costs.readings;
    meter.start();
    REQUIRE(costs.wait_for(before + 5));
    const EnergyDelta delta = meter.stop();
    INFO(delta.why);
    REQUIRE(delta.meter_cpu_s.has_value());
    CHECK(*delta.meter_cpu_s == Approx(kReading_s * static_cast<double>(costs.readings - before)));
    CHECK(delta.updates == costs.readings - before);
  }
}

TEST_CASE("what a source's own threads spend counts from the start of the window to its end") {
  Costs costs;
  EnergyMeter meter(std::make_unique<DearSource>(costs, false));
  costs.own_ns = 77 * kReading_ns;
  meter.start();
  costs.own_ns += 1000 * kReading_ns;
  const EnergyDelta delta = meter.stop();
  CHECK(*delta.meter_cpu_s >= 1002 * kReading_s);
  CHECK(*delta.meter_cpu_s == Approx(kReading_s * (1000 + costs.readings)));
}

TEST_CASE("a stored trace cost nothing that is known") {
  Costs costs;
  EnergyMeter meter(std::make_unique<DearSource>(costs, true));
  meter.start();
  CHECK_FALSE(meter.stop().meter_cpu_s.has_value());
}

TEST_CASE("a paused meter goes on before the next window begins") {
  Costs costs;
  EnergyMeter meter(std::make_unique<DearSource>(costs, false));
  meter.pause();
  CHECK(costs.pauses == 1);
  CHECK(costs.resumes == 0);
  meter.start();
  CHECK(costs.resumes == 1);
  meter.stop();
  meter.pause();
  meter.resume();
  CHECK(costs.resumes == 2);
  EnergyMeter nothing("no meter here");
  nothing.pause();
  nothing.start();
  CHECK_FALSE(nothing.stop().meter_cpu_s.has_value());
}
