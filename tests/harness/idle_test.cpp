#include "harness/idle.h"

#include <nlohmann/json.hpp>

#include "harness/instruments.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using nlohmann::json;

// A machine that draws 20 W while it rests, and one watt more in every window.
class RestingInstruments final : public Instruments {
 public:
  std::int64_t unix_ns() override { return 1'700'000'000'000'000'000 + now_s * 1'000'000'000; }
  std::int64_t monotonic_ns() override { return now_s * 1'000'000'000; }
  void rest(int seconds) override {
    CHECK(running);
    now_s += seconds;
    if (signal != nullptr && ++rests == stop_at) signal->store(true);
  }
  void start() override {
    CHECK_FALSE(running);
    running = true;
    begin_s = now_s;
  }
  void stop(Trial& trial) override {
    CHECK(running);
    running = false;
    trial.energy.status = energy::Status::kMeasured;
    trial.energy.source = "fake";
    trial.energy.coverage = "1 of 1 packages";
    trial.energy.window_s = static_cast<double>(now_s - begin_s);
    trial.energy.total_joules = (20 + windows++) * trial.energy.window_s;
    trial.energy.domains = {{"package-0", true, trial.energy.total_joules, true, ""}};
  }

  std::int64_t now_s = 0, begin_s = 0;
  bool running = false;
  int windows = 0, rests = 0, stop_at = -1;
  std::atomic<bool>* signal = nullptr;
};

TEST_CASE("the idle seconds of a side are five windows, one after the other") {
  RestingInstruments instruments;
  const auto windows = measure_idle(instruments, 12, true, nullptr);
  REQUIRE(windows.size() == 5);
  CHECK(instruments.now_s == 12);
  CHECK(windows[0].energy.window_s == 2);
  CHECK(windows[1].start_unix_ns - windows[0].start_unix_ns == 2'000'000'000);
  for (const energy::IdleWindow& window : windows) {
    CHECK(window.before);
    CHECK(window.energy.window_s >= 2);
  }
  RestingInstruments brief;
  CHECK(measure_idle(brief, 2, false, nullptr).size() == 2);
  CHECK(brief.now_s == 2);
}

TEST_CASE("an interrupt ends the idle windows, and drops the one in flight") {
  std::atomic<bool> stop{false};
  RestingInstruments instruments;
  instruments.signal = &stop;
  instruments.stop_at = 3;
  CHECK(measure_idle(instruments, 10, true, &stop).size() == 2);
  CHECK_FALSE(instruments.running);
}

TEST_CASE("idle windows survive the record, and the baseline is derived on reading") {
  RestingInstruments instruments;
  Record record = Record::begin("scalar");
  CHECK_FALSE(recorded_idle(record).has_value());
  const auto before = measure_idle(instruments, 10, true, nullptr);  // 20 to 24 W
  record_idle(record, before);
  CHECK(idle_power_w(before).value() == Approx(22));
  CHECK(recorded_idle(record)->mean_w == Approx(22));
  instruments.now_s += 100;
  record_idle(record, measure_idle(instruments, 10, false, nullptr));  // 25 to 29 W
  const Record again = Record::parse(record.text());
  REQUIRE(again.document()["idle"].size() == 10);
  CHECK_FALSE(again.document()["idle"][0].contains("power_w"));  // raw samples only
  const auto idle = recorded_idle(again);
  REQUIRE(idle.has_value());
  CHECK(idle->why_not.empty());
  CHECK(idle->drift_w.value() == Approx(5));
  CHECK(idle->power_w(1'700'000'000'000'000'000 + 60'000'000'000) == Approx(24.5));
}

TEST_CASE("what cannot be read of idle windows is left out, and no windows have no power") {
  CHECK_FALSE(idle_power_w({}).has_value());
  Record record = Record::begin("scalar");
  record.document()["idle"] = {{{"when", "before"}}, 3, {{"when", 4}}};
  REQUIRE(recorded_idle(record).has_value());
  CHECK(recorded_idle(record)->why_not == "no idle window was measured");
  record.document()["idle"] = "none";
  CHECK_FALSE(recorded_idle(record).has_value());
}

// Ten joules per reading, a second apart.
class SteadySource final : public energy::EnergySource {
 public:
  explicit SteadySource(bool attributed) {
    info_.name = "fake";
    info_.coverage = "1 of 1 packages";
    info_.attributed = attributed;
    energy::Domain package;
    package.name = "package-0";
    package.kind = energy::DomainKind::kPackage;
    package.included = true;
    package.max_silence_s = 10;
    info_.domains = {package};
  }
  const energy::SourceInfo& info() const noexcept override { return info_; }
  void read(std::span<energy::Reading> readings) noexcept override {
    ++calls_;
    readings[0] = {static_cast<std::uint64_t>(calls_) * 10'000'000, calls_ * 1'000'000'000, 0};
  }

 private:
  energy::SourceInfo info_;
  std::int64_t calls_ = 0;
};

TEST_CASE("the meter of a record keeps what its uncertainties assume") {
  Record record = Record::begin("scalar");
  CHECK(recorded_assumptions(record).empty());
  record_meter(record, energy::EnergyMeter("no meter here"), "GenuineIntel");
  CHECK_FALSE(record.document().contains("meter"));
  record_meter(record, energy::EnergyMeter(std::make_unique<SteadySource>(true)), "GenuineIntel");
  CHECK_FALSE(record.document()["meter"].contains("assumptions"));
  record_meter(record, energy::EnergyMeter(std::make_unique<SteadySource>(false)), "GenuineIntel");
  CHECK(record.document()["meter"]["source"] == "fake");
  CHECK(recorded_assumptions(Record::parse(record.text())) ==
        std::vector<std::string>{"5 % gain (Intel client package)"});
  record.document()["meter"] = 7;
  CHECK(recorded_assumptions(record).empty());
}

TEST_CASE("a metered trial carries its uncertainties and the idle power before it") {
  energy::EnergyMeter meter(std::make_unique<SteadySource>(false));
  MachineInstruments instruments(meter, {});
  Trial trial;
  instruments.start();
  instruments.stop(trial);
  REQUIRE(trial.energy.status == energy::Status::kMeasured);
  CHECK(trial.energy.u_abs_j.value() > trial.energy.u_cmp_j.value());
  CHECK(trial.energy.u_cmp_j.value() > 0);
  CHECK_FALSE(trial.energy.idle_w.has_value());
  instruments.set_idle_w(7.5);
  instruments.start();
  instruments.stop(trial);
  CHECK(trial.energy.idle_w == 7.5);
  const json object = to_json(trial.energy);
  CHECK(object["idle_w"] == 7.5);
  CHECK(object["u_abs"].get<double>() == trial.energy.u_abs_j.value());
  CHECK(energy_from_json(object).u_cmp_j == trial.energy.u_cmp_j);
}

TEST_CASE("what is attributed or not measured has no uncertainty") {
  energy::EnergyMeter attributed(std::make_unique<SteadySource>(true));
  energy::EnergyMeter nothing("no meter here");
  for (energy::EnergyMeter* meter : {&attributed, &nothing}) {
    MachineInstruments instruments(*meter, {});
    instruments.set_idle_w(7.5);
    Trial trial;
    instruments.start();
    instruments.stop(trial);
    CHECK_FALSE(trial.energy.u_abs_j.has_value());
    CHECK_FALSE(trial.energy.idle_w.has_value());
  }
}

}  // namespace
}  // namespace tern::harness
