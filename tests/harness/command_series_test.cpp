#include "harness/command_series.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <memory>

#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;

// 25 W, whatever happens, by a counter that moves at every look.
class Steady final : public energy::EnergySource {
 public:
  Steady() {
    energy::Domain domain;
    domain.name = "package-0";
    domain.included = true;
    domain.max_silence_s = 1e9;
    info_ = {.name = "steady", .detail = "", .domains = {domain}, .coverage = "all of it"};
  }
  const energy::SourceInfo& info() const noexcept override { return info_; }
  void read(std::span<energy::Reading> readings) noexcept override {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    const std::int64_t ns = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
    readings[0] = {.raw = static_cast<std::uint64_t>(ns / 40), .time_ns = ns, .error = 0};
  }

 private:
  energy::SourceInfo info_;
};

class Listener final : public SeriesListener {
 public:
  void on_trial(const Trial& trial) override {
    ++heard;
    last = trial;
  }
  int heard = 0;
  Trial last;
};

energy::EnergyMeter steady_meter() { return energy::EnergyMeter(std::make_unique<Steady>()); }

TEST_CASE("each repetition has its own energy, and idle power when it was asked for") {
  // 25 W in microjoules per 40 ns is one count.
  ChildSignals signals;
  Listener listener;
  energy::EnergyMeter meter = steady_meter();
  const SeriesOutcome outcome = run_series(
      {.argv = {"sleep", "0.05"}, .repetitions = 2, .warmup = 1, .delay_s = 0, .idle_s = 0.05},
      meter, signals, listener);
  CHECK(outcome.failure.empty());
  CHECK(outcome.exit_code == 0);
  REQUIRE(outcome.trials.size() == 2);
  CHECK(listener.heard == 2);
  REQUIRE(outcome.idle.has_value());
  REQUIRE(outcome.idle->watts().has_value());
  CHECK(*outcome.idle->watts() == Approx(25).epsilon(1e-3));
  for (const Trial& trial : outcome.trials) {
    REQUIRE(trial.energy.status == energy::Status::kMeasured);
    CHECK(trial.energy.total_joules == Approx(25 * trial.energy.window_s).epsilon(1e-3));
    CHECK(trial.energy.window_s >= 0.05);
    CHECK(trial.energy.idle_w == outcome.idle->watts());
    REQUIRE(trial.command.has_value());
    CHECK(trial.cpu_ns == trial.command->user_ns + trial.command->system_ns);
    CHECK(trial.test == "sleep 0.05");
    CHECK(trial.tokens == 0);
    CHECK(trial.counters.size() >= 2);
  }
  CHECK(outcome.trials[1].order_index == 1);
}

TEST_CASE("a meter on nothing costs the idle machine no waiting, and says why") {
  ChildSignals signals;
  Listener listener;
  energy::EnergyMeter meter("there is no meter");
  const SeriesOutcome outcome =
      run_series({.argv = {"true"}, .idle_s = 86'400}, meter, signals, listener);
  REQUIRE(outcome.idle.has_value());
  CHECK(outcome.idle->why == "there is no meter");
  CHECK_FALSE(outcome.idle->watts().has_value());
  REQUIRE(outcome.trials.size() == 1);
  CHECK_FALSE(outcome.trials[0].energy.idle_w.has_value());
  CHECK(outcome.trials[0].energy.why == "there is no meter");
}

TEST_CASE("a failure ends the series and is kept, a command that cannot be executed is not") {
  ChildSignals signals;
  Listener listener;
  energy::EnergyMeter meter("none");
  SeriesOutcome outcome =
      run_series({.argv = {"sh", "-c", "exit 3"}, .repetitions = 5}, meter, signals, listener);
  REQUIRE(outcome.trials.size() == 1);
  CHECK(outcome.exit_code == 3);
  CHECK(outcome.failure == "repetition 1 of 5 failed: it exited with 3");
  CHECK(outcome.trials[0].command->why == "it exited with 3");
  outcome = run_series({.argv = {"no-such-program-anywhere"}}, meter, signals, listener);
  CHECK(outcome.trials.empty());
  CHECK(outcome.exit_code == 127);
  CHECK_THAT(outcome.failure, Contains("no-such-program-anywhere") && Contains("PATH"));
  outcome = run_series({.argv = {"/"}}, meter, signals, listener);
  CHECK(outcome.exit_code == 126);
  outcome = run_series({.argv = {"false"}, .warmup = 1}, meter, signals, listener);
  CHECK(outcome.trials.empty());
  CHECK_THAT(outcome.failure, Contains("warm-up 1 of 1 failed"));
}

// Asks to stop as soon as a repetition has been done.
class Stopper final : public SeriesListener {
 public:
  void on_trial(const Trial&) override { ::kill(::getpid(), SIGTERM); }
};

TEST_CASE("a signal that comes before the command does is not for the command") {
  ChildSignals signals;
  Listener listener;
  energy::EnergyMeter meter("none");
  ::kill(::getpid(), SIGTERM);
  const SeriesOutcome outcome = run_series({.argv = {"true"}}, meter, signals, listener);
  CHECK(outcome.trials.empty());
  CHECK(outcome.failure == "stopped by SIGTERM after 0 of 1 repetitions");
}

TEST_CASE("a signal between two repetitions ends the series") {
  ChildSignals signals;
  Stopper listener;
  energy::EnergyMeter meter("none");
  const SeriesOutcome outcome =
      run_series({.argv = {"true"}, .repetitions = 3, .delay_s = 600}, meter, signals, listener);
  CHECK(outcome.exit_code == 128 + SIGTERM);
  CHECK(outcome.failure == "stopped by SIGTERM after 1 of 3 repetitions");
}

TEST_CASE("a window of few updates is called one, with what that costs") {
  const Steady source;
  energy::EnergyDelta energy;
  energy.status = energy::Status::kMeasured;
  energy.window_s = 0.01;  // ten updates of a millisecond: 0.408 / 10
  CHECK_THAT(short_window_note(energy, &source.info()), Contains("±4.1 %"));
  energy.window_s = 0.2;
  CHECK(short_window_note(energy, &source.info()).empty());
  energy.window_s = 0.01;
  energy.status = energy::Status::kNotMeasured;
  CHECK(short_window_note(energy, &source.info()).empty());
  CHECK(short_window_note(energy, nullptr).empty());
}

}  // namespace
}  // namespace tern::harness
