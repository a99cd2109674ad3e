#include "energy/energy_meter.h"

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "tests/energy/simulated_rapl.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::rapl_domain;
using tern::tests::rapl_info;
using tern::tests::SimulatedCounter;
using tern::tests::SimulatedRapl;

namespace {

// Each reading of the source comes from a script, with its own clock.
class FakeSource final : public EnergySource {
 public:
  using Script = std::function<Reading(int call, std::size_t domain)>;

  FakeSource(SourceInfo info, Script script) : info_(std::move(info)), script_(std::move(script)) {}

  const SourceInfo& info() const noexcept override { return info_; }

  void read(std::span<Reading> readings) noexcept override {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < readings.size(); ++i) readings[i] = script_(calls_, i);
    ++calls_;
    threads_.insert(std::this_thread::get_id());
    changed_.notify_all();
  }

  // Waits for the background reader; false when it gives no sign of life.
  bool wait_for_calls(int calls) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return calls_ >= calls; });
  }

  int calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

  std::size_t threads() {
    const std::lock_guard lock(mutex_);
    return threads_.size();
  }

 private:
  SourceInfo info_;
  Script script_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int calls_ = 0;
  std::set<std::thread::id> threads_;
};

Domain domain(const std::string& name, DomainKind kind, bool included) {
  Domain d;
  d.name = name;
  d.kind = kind;
  d.modulus = 262143328911;
  d.max_power_w = 1000;
  d.included = included;
  if (!included) d.why_excluded = "contains the packages";
  return d;
}

SourceInfo server() {
  SourceInfo info;
  info.name = "fake";
  info.coverage = "1 of 1 packages + dram";
  info.domains = {domain("package-0", DomainKind::kPackage, true),
                  domain("package-0/dram", DomainKind::kDram, true),
                  domain("psys", DomainKind::kPsys, false)};
  return info;
}

constexpr std::int64_t kStep_ns = 50'000'000;

// 5 J, 1 J and 9 J per 50 ms step.
Reading steady(int call, std::size_t i) {
  const std::uint64_t per_step_uj[] = {5'000'000, 1'000'000, 9'000'000};
  return {1000 + per_step_uj[i] * static_cast<std::uint64_t>(call), (call + 1) * kStep_ns, 0};
}

EnergyDelta window(SourceInfo info, FakeSource::Script script) {
  EnergyMeter meter(std::make_unique<FakeSource>(std::move(info), std::move(script)));
  meter.start();
  return meter.stop();
}

}  // namespace

TEST_CASE("a window sums packages and dram, and reports the rest apart") {
  const EnergyDelta delta = window(server(), steady);
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.why.empty());
  CHECK(delta.source == "fake");
  CHECK(delta.coverage == "1 of 1 packages + dram");
  CHECK(delta.total_joules == Approx(6.0));
  CHECK(delta.window_s == Approx(0.05));
  CHECK(delta.updates == 2);
  REQUIRE(delta.domains.size() == 3);
  CHECK(delta.domains[2].measured);
  CHECK(delta.domains[2].joules == Approx(9.0));
  CHECK_FALSE(delta.domains[2].included);
  CHECK(delta.domains[2].why == "contains the packages");
}

TEST_CASE("windows of one meter are independent") {
  EnergyMeter meter(std::make_unique<FakeSource>(server(), steady));
  for (int i = 0; i < 3; ++i) {
    meter.start();
    CHECK(meter.stop().total_joules == Approx(6.0));
  }
  const EnergyDelta unstarted = meter.stop();
  CHECK(unstarted.status == Status::kNotMeasured);
  CHECK_THAT(unstarted.why, Contains("never started"));
}

TEST_CASE("inside a virtual machine the status is attributed") {
  SourceInfo info = server();
  info.attributed = true;
  CHECK(window(info, steady).status == Status::kAttributed);
}

TEST_CASE("an included domain that fails takes the total with it, an excluded one only itself") {
  for (const std::size_t broken : {0u, 1u, 2u}) {
    const EnergyDelta delta = window(server(), [&](int call, std::size_t i) {
      Reading reading = steady(call, i);
      if (call == 1 && i == broken) reading.error = ENODEV;
      return reading;
    });
    INFO(broken);
    CHECK_FALSE(delta.domains[broken].measured);
    CHECK_THAT(delta.domains[broken].why, Contains("No such device"));
    if (broken == 2) {
      CHECK(delta.status == Status::kMeasured);
      CHECK(delta.total_joules == Approx(6.0));
    } else {
      CHECK(delta.status == Status::kNotMeasured);
      CHECK(delta.total_joules == 0);
      CHECK_THAT(delta.why, Contains(delta.domains[broken].name) && Contains("No such device"));
      CHECK(delta.domains[1 - broken].measured);
    }
  }
}

TEST_CASE("a domain that is not measurable keeps its own reason only") {
  SourceInfo info = server();
  info.domains[2].measurable = false;
  info.domains[2].why_excluded = "not measurable: no range";
  const EnergyDelta delta = window(info, steady);
  CHECK(delta.status == Status::kMeasured);
  CHECK_FALSE(delta.domains[2].measured);
  CHECK(delta.domains[2].why == "not measurable: no range");
}

TEST_CASE("a window in which nothing moved is not measured") {
  const auto still = [](std::int64_t step_ns) {
    return [=](int call, std::size_t) { return Reading{77, (call + 1) * step_ns, 0}; };
  };
  SourceInfo live = server();
  live.live = true;
  const EnergyDelta brief = window(live, still(1'000'000));
  CHECK(brief.status == Status::kNotMeasured);
  CHECK_THAT(brief.why, Contains("too short for this counter") && Contains("1 ms"));
  CHECK_FALSE(brief.domains[0].measured);
  const EnergyDelta stuck = window(server(), still(500'000'000));
  CHECK(stuck.status == Status::kNotMeasured);
  CHECK_THAT(stuck.why, Contains("did not move"));
  SourceInfo patient = server();
  for (Domain& d : patient.domains) d.max_silence_s = 1e9;
  const EnergyDelta unmoved = window(patient, still(500'000'000));
  CHECK(unmoved.status == Status::kNotMeasured);
  CHECK_THAT(unmoved.why, Contains("did not move in the window of 0.5 s"));
}

TEST_CASE("the background reader catches wraps that the ends alone would miss") {
  // 10 J of range at up to 1000 W: polled every 5 ms of real time, half a range of counter time.
  SourceInfo info = server();
  info.domains.resize(1);
  info.domains[0].modulus = 10'000'000;
  info.domains[0].update_s = 1e-6;
  auto owned = std::make_unique<FakeSource>(info, [](int call, std::size_t) {
    return Reading{static_cast<std::uint64_t>(call) * 4'000'000 % 10'000'000,
                   (call + 1) * 5'000'000, 0};
  });
  FakeSource& source = *owned;
  EnergyMeter meter(std::move(owned));
  CHECK(source.calls() == 0);
  meter.start();
  REQUIRE(source.wait_for_calls(8));
  const EnergyDelta delta = meter.stop();
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.updates >= 9);
  CHECK(delta.updates == source.calls());
  CHECK(delta.total_joules == Approx(4.0 * static_cast<double>(delta.updates - 1)));
  CHECK(source.threads() == 2);
}

TEST_CASE("both ends of a window wait for the counter, where it moves in fast steps") {
  for (const double phase_s : {0.0, 0.37e-3, 0.81e-3}) {
    INFO(phase_s);
    auto owned = std::make_unique<SimulatedRapl>(
        rapl_info({rapl_domain("package-0", DomainKind::kPackage, 0)}),
        std::vector<SimulatedCounter>{{.power_w = 100, .phase_s = phase_s}});
    SimulatedRapl& source = *owned;
    EnergyMeter meter(std::move(owned));
    for (const double work_s : {0.0123, 0.0456}) {
      meter.start();
      source.pass(work_s);
      const EnergyDelta delta = meter.stop();
      INFO(delta.why);
      REQUIRE(delta.status == Status::kMeasured);
      CHECK(delta.aligned);
      CHECK(delta.update_s == Approx(1e-3).margin(4e-6));
      CHECK(delta.edge_s <= 4.1e-6);
      CHECK(delta.window_s >= work_s);
      // Unaligned, twelve updates would be known to eight per cent.
      CHECK(delta.total_joules / delta.window_s == Approx(100).epsilon(5e-4));
    }
  }
}

TEST_CASE("counters that move at other moments are aligned each by itself") {
  auto owned = std::make_unique<SimulatedRapl>(
      rapl_info({rapl_domain("package-0", DomainKind::kPackage, 0),
                 rapl_domain("package-1", DomainKind::kPackage, 1)}),
      std::vector<SimulatedCounter>{{.power_w = 100}, {.power_w = 50, .phase_s = 0.4e-3}});
  SimulatedRapl& source = *owned;
  EnergyMeter meter(std::move(owned));
  meter.start();
  source.pass(0.5);
  const EnergyDelta delta = meter.stop();
  INFO(delta.why);
  REQUIRE(delta.status == Status::kMeasured);
  CHECK(delta.aligned);
  CHECK(delta.edge_s > 0.1e-3);  // one's edges are not the other's
  CHECK(delta.edge_s < 2e-3);
  CHECK(delta.total_joules / delta.window_s == Approx(150).epsilon(2e-3));
}

TEST_CASE("an unaligned window of fewer than a hundred updates is too short") {
  const auto metered = [](double update_s, double tick_s, double work_s) {
    Domain package = rapl_domain("package-0", DomainKind::kPackage, 0);
    package.update_s = update_s;
    package.max_silence_s = 1e9;
    auto owned = std::make_unique<SimulatedRapl>(
        rapl_info({package}), std::vector<SimulatedCounter>{{.power_w = 100, .tick_s = tick_s}});
    SimulatedRapl& source = *owned;
    EnergyMeter meter(std::move(owned));
    meter.start();
    source.pass(work_s);
    return meter.stop();
  };
  // Too slow to wait for.
  const EnergyDelta brief = metered(0.05, 0.05, 4.9);
  CHECK(brief.status == Status::kNotMeasured);
  CHECK_FALSE(brief.aligned);
  CHECK(brief.total_joules == 0);
  CHECK_THAT(brief.why, Contains("the window of 4.9 s is too short for this counter (package-0 "
                                 "moves every 50 ms)"));
  const EnergyDelta enough = metered(0.05, 0.05, 5.1);
  CHECK(enough.status == Status::kMeasured);
  CHECK(enough.update_s == 0.05);
  CHECK(enough.edge_s == 0.05);
  // No steps to wait for.
  CHECK_THAT(metered(1e-3, 1e-6, 0.05).why, Contains("too short for this counter"));
  CHECK(metered(1e-3, 1e-6, 0.2).status == Status::kMeasured);
}

TEST_CASE("a counter that stops moving leaves the window unaligned, and stuck") {
  auto owned = std::make_unique<SimulatedRapl>(
      rapl_info({rapl_domain("package-0", DomainKind::kPackage, 0)}),
      std::vector<SimulatedCounter>{{.power_w = 100}});
  SimulatedRapl& source = *owned;
  EnergyMeter meter(std::move(owned));
  meter.start();
  source.counter(0).tick_s = 1000;  // back to near zero
  source.pass(0.5);
  const EnergyDelta delta = meter.stop();
  CHECK(delta.status == Status::kNotMeasured);
  CHECK_FALSE(delta.aligned);
  CHECK_THAT(delta.why, Contains("reset") || Contains("did not move"));
}

TEST_CASE("a window in which the machine slept is refused") {
  std::int64_t asleep_ns = 5'000'000'000;
  EnergyMeter meter(std::make_unique<FakeSource>(server(), steady), "", [&] { return asleep_ns; });
  meter.start();
  asleep_ns += 3'600'000'000'000;
  const EnergyDelta slept = meter.stop();
  CHECK(slept.status == Status::kNotMeasured);
  CHECK_THAT(slept.why, Contains("suspended for 3600 s"));
  meter.start();
  asleep_ns += 1000;  // two clocks read one after the other
  CHECK(meter.stop().status == Status::kMeasured);
}

TEST_CASE("a reader starved for half a minute leaves no doubt unsaid") {
  // 30 s between two readings of a counter that wraps in 26 s at its ceiling.
  SourceInfo info = server();
  info.domains.resize(1);
  info.domains[0].modulus = 26'000'000'000;
  const EnergyDelta delta = window(info, [](int call, std::size_t) {
    return Reading{1000 + static_cast<std::uint64_t>(call), 1 + call * 30'000'000'000, 0};
  });
  CHECK(delta.status == Status::kNotMeasured);
  CHECK_THAT(delta.why, Contains("could hide a whole wrap"));
}

TEST_CASE("an included domain that draws nothing is a truthful zero beside one that does") {
  const EnergyDelta delta = window(server(), [](int call, std::size_t i) {
    Reading reading = steady(call, i);
    if (i == 1) reading.raw = 77;
    return reading;
  });
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.domains[1].measured);
  CHECK(delta.domains[1].joules == 0);
  CHECK(delta.total_joules == Approx(5.0));
}

TEST_CASE("mirrored dies count once, and the delta says which was kept") {
  SourceInfo info = server();
  info.domains[1] = info.domains[0];
  info.domains[0].name = "package-0-die-0";
  info.domains[1].name = "package-0-die-1";
  for (Domain& d : info.domains) d.package = 0;
  info.coverage = "1 of 1 packages (2 of 2 dies), no dram domain";
  const auto equal = [](int call, std::size_t i) { return steady(call, i == 2 ? 2 : 0); };
  const EnergyDelta delta = window(info, equal);
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.total_joules == Approx(5.0));
  CHECK(delta.domains[0].included);
  CHECK_FALSE(delta.domains[1].included);
  CHECK(delta.domains[1].measured);
  CHECK(delta.domains[1].why == "mirrored: advances equally with package-0-die-0");
  CHECK(delta.coverage ==
        "1 of 1 packages (2 of 2 dies), no dram domain; package-0-die-1 mirrored");
  // Two dies that differ are both counted.
  const EnergyDelta real = window(info, steady);
  CHECK(real.total_joules == Approx(6.0));
  CHECK(real.domains[1].included);
  CHECK(real.coverage == info.coverage);
}

TEST_CASE("dies that a short window cannot tell apart leave no total") {
  const auto metered = [](double work_s) {
    auto owned = std::make_unique<SimulatedRapl>(
        rapl_info({rapl_domain("package-0-die-0", DomainKind::kPackage, 0),
                   rapl_domain("package-0-die-1", DomainKind::kPackage, 0)}),
        std::vector<SimulatedCounter>{{.power_w = 100}, {.power_w = 100}});
    SimulatedRapl& source = *owned;
    EnergyMeter meter(std::move(owned));
    meter.start();
    source.pass(work_s);
    return meter.stop();
  };
  const EnergyDelta brief = metered(0.05);
  CHECK(brief.status == Status::kNotMeasured);
  CHECK_THAT(brief.why, Contains("too short to tell whether package-0-die-1"));
  const EnergyDelta enough = metered(1);
  CHECK(enough.status == Status::kMeasured);
  CHECK(enough.total_joules / enough.window_s == Approx(100).epsilon(1e-3));
}

TEST_CASE("a disagreement between two meters stays with every window") {
  EnergyMeter meter(std::make_unique<FakeSource>(server(), steady), "perf and powercap disagree");
  meter.start();
  CHECK(meter.stop().disagreement == "perf and powercap disagree");
  CHECK(window(server(), steady).disagreement.empty());
}

TEST_CASE("a meter on nothing keeps saying why") {
  EnergyMeter meter("powercap: not here");
  CHECK_FALSE(meter.usable());
  CHECK(meter.info() == nullptr);
  meter.start();
  const EnergyDelta delta = meter.stop();
  CHECK(delta.status == Status::kNotMeasured);
  CHECK(delta.why == "powercap: not here");
  CHECK(delta.domains.empty());
  EnergyMeter null{std::unique_ptr<EnergySource>()};
  CHECK_FALSE(null.usable());
}

TEST_CASE("the names of the statuses are those of the record") {
  CHECK(std::string(name(Status::kMeasured)) == "measured");
  CHECK(std::string(name(Status::kAttributed)) == "attributed");
  CHECK(std::string(name(Status::kNotMeasured)) == "not_measured");
}
