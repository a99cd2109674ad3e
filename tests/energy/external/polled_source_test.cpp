#include "energy/external/polled_source.h"

#include <signal.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "energy/cpu_spent.h"
#include "energy/energy_meter.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

// What the meter of a test answers, and how often it was asked.
struct Script {
  std::atomic<double> power_w{100};
  std::atomic<bool> failing{false};
  std::atomic<int> asked{0};
};

PolledMeter fast_meter(const std::shared_ptr<Script>& script) {
  PolledMeter meter;
  meter.name = "shelly";
  meter.detail = "http://plug";
  meter.coverage = "the wall";
  meter.remedy = "look at it";
  meter.period_s = 0.002;
  meter.retry_s = 0.002;
  meter.stale_s = 1000;  // longer than any pause of a busy machine
  meter.counter_quantum_wh = 0.001;
  meter.ask = [script](const StopSignal&) -> Parsed<PowerReading> {
    ++script->asked;
    if (script->failing) return Parsed<PowerReading>::failed("no connection");
    return PowerReading{script->power_w.load(), std::nullopt};
  };
  return meter;
}

// Bounded: false when it never holds.
bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 6000; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

Reading read_one(EnergySource& source) {
  std::vector<Reading> readings(source.info().domains.size());
  source.read(readings);
  return readings.at(0);
}

bool asked_more(const Script& script, int times) {
  const int until = script.asked + times;
  return eventually([&] { return script.asked >= until; });
}

}  // namespace

TEST_CASE("power is summed up over the window") {
  const auto script = std::make_shared<Script>();
  Probe probe = open_polled(fast_meter(script));
  REQUIRE(probe.source);
  CHECK(probe.why_not.empty());
  const SourceInfo info = probe.source->info();
  REQUIRE(info.domains.size() == 1);
  CHECK(info.name == "shelly");
  CHECK(info.coverage == "the wall");
  CHECK(info.domains[0].kind == DomainKind::kWall);
  CHECK(info.domains[0].included);
  CHECK(info.domains[0].update_s == 1000);
  EnergyMeter meter(std::move(probe.source));
  meter.start();
  REQUIRE(asked_more(*script, 50));
  const EnergyDelta delta = meter.stop();
  INFO(delta.why);
  CHECK(delta.status == Status::kMeasured);
  // The sum ends with the last sample before each edge, so it may miss or hold one gap too much.
  CHECK(delta.total_joules > 0);
  CHECK(delta.total_joules <= 100 * (delta.window_s + 1000));
  CHECK(delta.domains.at(0).name == "wall");
}

TEST_CASE("the sum is the trapezoid of the samples") {
  // 0 W, after a while 200 W, and nothing more: 100 W over the time between the two samples.
  const auto script = std::make_shared<Script>();
  PolledMeter options = fast_meter(script);
  options.period_s = 0.2;
  std::atomic<Clock::time_point> second_asked{Clock::time_point()};
  options.ask = [&](const StopSignal&) -> Parsed<PowerReading> {
    const int times = ++script->asked;
    if (times == 2) second_asked = Clock::now();
    if (times > 2) return Parsed<PowerReading>::failed("no more");
    return PowerReading{times == 1 ? 0.0 : 200.0, std::nullopt};
  };
  const Clock::time_point begin = Clock::now();
  const Probe probe = open_polled(std::move(options));
  REQUIRE(probe.source);
  const Clock::time_point first_taken = Clock::now();
  const Reading first = read_one(*probe.source);
  REQUIRE(eventually([&] { return read_one(*probe.source).raw != first.raw; }));
  const Clock::time_point end = Clock::now();
  const double joules = static_cast<double>(read_one(*probe.source).raw - first.raw) * 1e-6;
  const auto seconds = [](Clock::duration time) {
    return std::chrono::duration<double>(time).count();
  };
  // The hundredths are for the difference between the clocks.
  CHECK(joules >= 99 * seconds(second_asked.load() - first_taken));
  CHECK(joules <= 101 * seconds(end - begin));
}

TEST_CASE("a meter that falls silent has no reading, and a gap is never bridged") {
  const auto script = std::make_shared<Script>();
  PolledMeter options = fast_meter(script);
  options.stale_s = 0.2;
  Probe probe = open_polled(std::move(options));
  REQUIRE(probe.source);
  EnergySource& source = *probe.source;
  EnergyMeter meter(std::move(probe.source));
  meter.start();
  Reading before;
  REQUIRE(eventually([&] { return (before = read_one(source)).error == 0; }));
  script->failing = true;
  REQUIRE(eventually([&] { return read_one(source).error == ETIMEDOUT; }));
  CHECK_THAT(source.trouble(), Contains("http://plug: no connection"));
  script->failing = false;
  REQUIRE(eventually([&] { return read_one(source).error == 0; }));
  REQUIRE(asked_more(*script, 20));
  CHECK(read_one(source).raw < before.raw);
  const EnergyDelta delta = meter.stop();
  CHECK(delta.status == Status::kNotMeasured);
  CHECK(delta.total_joules == 0);
  CHECK_THAT(delta.why, Contains("http://plug: nothing is known of") && Contains("no connection"));
  // Where the machine is busy, a window may have a gap of its own.
  CHECK(eventually([&] {
    meter.start();
    return asked_more(*script, 20) && meter.stop().status == Status::kMeasured;
  }));
}

TEST_CASE("one question that fails is no gap") {
  const auto script = std::make_shared<Script>();
  Probe probe = open_polled(fast_meter(script));
  REQUIRE(probe.source);
  EnergyMeter meter(std::move(probe.source));
  meter.start();
  script->failing = true;
  REQUIRE(asked_more(*script, 3));
  script->failing = false;
  REQUIRE(asked_more(*script, 20));
  const EnergyDelta delta = meter.stop();
  INFO(delta.why);
  CHECK(delta.status == Status::kMeasured);
}

TEST_CASE("the meter's own counter stands apart, and in when there is nothing else") {
  for (const bool has_power : {true, false}) {
    const auto script = std::make_shared<Script>();
    PolledMeter options = fast_meter(script);
    options.ask = [&](const StopSignal&) -> Parsed<PowerReading> {
      PowerReading reading;
      if (has_power) reading.power_w = 100;
      reading.counter_wh = 5 + 0.001 * script->asked++;
      return reading;
    };
    const Probe probe = open_polled(std::move(options));
    REQUIRE(probe.source);
    const std::vector<Domain>& domains = probe.source->info().domains;
    REQUIRE(domains.size() == (has_power ? 2 : 1));
    const Domain& counter = domains.back();
    CHECK(counter.name == "wall/counter");
    CHECK(counter.joules_per_count == Approx(3.6));
    CHECK(counter.included != has_power);
    CHECK(counter.why_excluded.empty() != has_power);
    std::vector<Reading> readings(domains.size());
    probe.source->read(readings);
    CHECK(readings.back().raw >= 5000);
    CHECK(readings.back().raw <= 5000u + static_cast<unsigned>(script->asked));
  }
}

TEST_CASE("a value that goes missing is a failure, not a zero") {
  const auto script = std::make_shared<Script>();
  PolledMeter options = fast_meter(script);
  options.stale_s = 0.2;
  options.ask = [&](const StopSignal&) -> Parsed<PowerReading> {
    PowerReading reading{std::nullopt, 5};
    if (script->asked++ == 0) reading.power_w = 100;
    return reading;
  };
  const Probe probe = open_polled(std::move(options));
  REQUIRE(probe.source);
  REQUIRE(eventually([&] { return read_one(*probe.source).error == ETIMEDOUT; }));
  CHECK_THAT(probe.source->trouble(), Contains("without a value"));
}

TEST_CASE("a meter that does not answer the first question is not there") {
  const auto script = std::make_shared<Script>();
  script->failing = true;
  const Probe probe = open_polled(fast_meter(script));
  CHECK_FALSE(probe.source);
  CHECK(probe.name == "shelly");
  CHECK(probe.why_not == "http://plug: no connection");
  CHECK(probe.remedy == "look at it");
}

TEST_CASE("what asking throws is a failure of the meter") {
  PolledMeter options = fast_meter(std::make_shared<Script>());
  options.ask = [](const StopSignal&) -> Parsed<PowerReading> { throw std::bad_alloc(); };
  const Probe probe = open_polled(std::move(options));
  CHECK_FALSE(probe.source);
  CHECK_THAT(probe.why_not, Contains("bad_alloc"));
}

TEST_CASE("readings wait for no question, and neither does the end") {
  const auto script = std::make_shared<Script>();
  PolledMeter options = fast_meter(script);
  options.ask = [&](const StopSignal& stop) -> Parsed<PowerReading> {
    if (script->asked++ == 0) return PowerReading{100.0, std::nullopt};
    // Hangs for an hour unless it is told to stop.
    stop.wait_until(Clock::now() + std::chrono::hours(1));
    return Parsed<PowerReading>::failed("called off");
  };
  Probe probe = open_polled(std::move(options));
  REQUIRE(probe.source);
  REQUIRE(eventually([&] { return script->asked >= 2; }));
  CHECK(read_one(*probe.source).error == 0);
  probe.source.reset();
  CHECK(script->asked == 2);
}

TEST_CASE("the thread that asks does not die of a closed connection") {
  std::atomic<bool> blocked{false};
  PolledMeter options = fast_meter(std::make_shared<Script>());
  options.ask = [&](const StopSignal&) -> Parsed<PowerReading> {
    sigset_t now;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
    blocked = sigismember(&now, SIGPIPE) == 1;
    return PowerReading{1.0, std::nullopt};
  };
  sigset_t pipe;
  sigset_t before;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_UNBLOCK, &pipe, &before);
  CHECK(open_polled(std::move(options)).source);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK(blocked);
}

TEST_CASE("a paused meter is not asked, and asked again before it goes on") {
  const auto script = std::make_shared<Script>();
  Probe probe = open_polled(fast_meter(script));
  REQUIRE(probe.source);
  EnergySource& source = *probe.source;
  source.resume();  // it is not paused: nothing to wait for
  for (int round = 0; round < 3; ++round) {
    source.pause();
    const int asked = script->asked;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // ten times its period
    CHECK(script->asked == asked);
    source.resume();
    CHECK(script->asked > asked);
    REQUIRE(asked_more(*script, 3));
  }
  source.pause();  // and ends so
}

TEST_CASE("what a meter was not asked while it was paused is a gap") {
  const auto script = std::make_shared<Script>();
  PolledMeter options = fast_meter(script);
  options.stale_s = 0.01;
  Probe probe = open_polled(std::move(options));
  REQUIRE(probe.source);
  probe.source->pause();
  REQUIRE(eventually([&] { return read_one(*probe.source).error == ETIMEDOUT; }));
  const std::uint64_t before = read_one(*probe.source).raw;
  CHECK(before == 0);
  probe.source->resume();
  REQUIRE(eventually([&] { return read_one(*probe.source).error == 0; }));
}

TEST_CASE("what asking costs is counted, with what it started") {
  constexpr std::int64_t kQuestion_ns = 1'000'000'000'000'000;
  const auto script = std::make_shared<Script>();
  PolledMeter options = fast_meter(script);
  options.ask = [script](const StopSignal&) -> Parsed<PowerReading> {
    add_helper_cpu(kQuestion_ns);
    ++script->asked;
    return PowerReading{100.0, std::nullopt};
  };
  Probe probe = open_polled(std::move(options));
  REQUIRE(probe.source);
  REQUIRE(asked_more(*script, 3));
  probe.source->pause();
  const auto asked = static_cast<double>(script->asked);
  CHECK(static_cast<double>(probe.source->own_cpu_ns()) ==
        Approx(asked * static_cast<double>(kQuestion_ns)));
}
