#include "harness/meter_cost.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "energy/energy_meter.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

// A meter that is asked by a thread of its own until it is paused, on a clock that moves only when
// somebody works.
struct Machine {
  std::int64_t now_ns = 1'000'000'000;
  bool asking = true;
  int readings = 0;
  std::vector<std::string> log;
};

class FakeSource final : public energy::EnergySource {
 public:
  explicit FakeSource(Machine& machine) : machine_(machine) {
    energy::Domain domain;
    domain.name = "wall";
    domain.included = true;
    domain.max_silence_s = 1e6;
    info_.name = "fake";
    info_.coverage = "the wall";
    info_.domains = {domain};
  }
  const energy::SourceInfo& info() const noexcept override { return info_; }
  void read(std::span<energy::Reading> readings) noexcept override {
    ++machine_.readings;
    machine_.now_ns += 1000;
    readings[0] = {static_cast<std::uint64_t>(machine_.now_ns) / 1000, machine_.now_ns, 0};
  }
  void pause() noexcept override { machine_.asking = false; }
  void resume() noexcept override { machine_.asking = true; }

 private:
  Machine& machine_;
  energy::SourceInfo info_;
};

class FakeClock final : public Instruments {
 public:
  explicit FakeClock(Machine& machine) : machine_(machine) {}
  std::int64_t unix_ns() override { return 1'700'000'000'000'000'000 + machine_.now_ns; }
  std::int64_t monotonic_ns() override { return machine_.now_ns; }
  void rest(int) override {}
  void start() override { FAIL("only the meter in question is switched"); }
  void stop(Trial&) override { FAIL("only the meter in question is switched"); }

 private:
  Machine& machine_;
};

// A microsecond a token, and 1 % more while the meter is asked.
class FakeSubject final : public Subject {
 public:
  explicit FakeSubject(Machine& machine) : machine_(machine) {}
  const std::string& name() const noexcept override { return name_; }
  std::string verify() override {
    FAIL("the study has verified it");
    return "";
  }
  void prepare(const TestCase& test) override { machine_.log.push_back("prepare " + test.name()); }
  void warm_up(const TestCase&) override { machine_.log.push_back("warm"); }
  void run(const TestCase& test) override {
    if (++runs == fail_at) throw std::runtime_error("out of luck");
    machine_.log.push_back(machine_.asking ? "on" : "off");
    machine_.now_ns += test.tokens() * (machine_.asking ? 1010 : 1000);
  }
  std::int64_t bytes_moved(const TestCase&) const override { return 5; }
  engine::Operations operations(const TestCase&) const override { return {}; }

  int runs = 0, fail_at = -1;

 private:
  Machine& machine_;
  std::string name_ = "ternary";
};

MeterCost measured(Machine& machine, const MeterCostPlan& plan, int fail_at = -1) {
  energy::EnergyMeter meter(std::make_unique<FakeSource>(machine));
  FakeClock clock(machine);
  FakeSubject subject(machine);
  subject.fail_at = fail_at;
  return measure_meter_cost(subject, plan, meter, clock);
}

MeterCost two_pairs() {
  Machine machine;
  return measured(machine, {.test = {.gen = 100}, .pairs = 2});
}

Record with(const MeterCost& cost) {
  Record record = Record::begin("scalar");
  record_meter_cost(record, cost);
  return Record::parse(record.text());
}

TEST_CASE("the meter's turns are mirrored, and it is quiet when it is not its turn") {
  Machine machine;
  std::vector<std::string> steps;
  const MeterCost cost =
      measured(machine, {.test = {.gen = 100}, .pairs = 2, .on_start = [&](const StudyStep& step) {
                           steps.push_back(step.subject);
                           CHECK(step.total == 4);
                         }});
  CHECK(cost.why.empty());
  CHECK(cost.subject == "ternary");
  CHECK(cost.test == "tg100");
  CHECK(steps == std::vector<std::string>{kMeterOn, kMeterOff, kMeterOff, kMeterOn});
  CHECK(machine.log == std::vector<std::string>{"warm", "warm", "prepare tg100", "on",
                                                "prepare tg100", "off", "prepare tg100", "off",
                                                "prepare tg100", "on"});
  CHECK(machine.readings == 4);  // both ends of two windows
  CHECK(machine.asking);         // as it was before
  REQUIRE(cost.trials.size() == 4);
  CHECK(cost.trials[0].energy.status == energy::Status::kMeasured);
  CHECK(cost.trials[0].elapsed_ns == 101'000);
  CHECK(cost.trials[1].energy.status == energy::Status::kNotMeasured);
  CHECK(cost.trials[1].energy.why == "the meter was off");
  CHECK(cost.trials[1].elapsed_ns == 100'000);
  CHECK(cost.trials[3].pair == 1);
}

TEST_CASE("the ratio is of the pairs' speeds, and its complement is the cost") {
  const MeterCost cost = two_pairs();
  const PairedRatio ratio = meter_speed_ratio(cost).value();
  CHECK(ratio.value == Approx(1 / 1.01));
  CHECK(ratio.pairs == 2);
  const std::vector<std::string> notes = meter_cost_notes(cost);
  REQUIRE(notes.size() == 2);
  CHECK(notes[0] ==
        "the meter costs 0.99 % of decode speed (0.99 to 0.99 %, 2 pairs of ternary tg100 with the "
        "meter on and off)");
  CHECK_THAT(notes[1], Contains("no reading of the meter came between the ends"));
}

TEST_CASE("readings inside the trials say that the interval was tried") {
  MeterCost cost = two_pairs();
  cost.trials[0].energy.updates = 3;
  CHECK(meter_cost_notes(cost).size() == 1);
  cost.trials[3].energy = {};
  cost.trials[3].energy.why = "the plug went away";
  REQUIRE(meter_cost_notes(cost).size() == 2);
  CHECK_THAT(meter_cost_notes(cost)[1], Contains("gave no joules: the plug went away"));
}

TEST_CASE("a test that is no decoding is named") {
  Machine machine;
  const MeterCost cost = measured(machine, {.test = {.prompt = 64}, .pairs = 2});
  CHECK_THAT(meter_cost_notes(cost)[0], Contains("% of pp64 speed"));
}

TEST_CASE("decoding alone is what the meter is tried on, where there is such a test") {
  const TestCase prefill{.prompt = 8}, both{.prompt = 8, .gen = 8}, decode{.gen = 8};
  CHECK(meter_cost_test({prefill, both, decode}).name() == "tg8");
  CHECK(meter_cost_test({both, prefill}).name() == "pp8+tg8");
}

TEST_CASE("without a meter nothing runs, and the reason is kept") {
  energy::EnergyMeter meter("powercap: no such folder");
  Machine machine;
  FakeClock clock(machine);
  FakeSubject subject(machine);
  const MeterCost cost =
      measure_meter_cost(subject, {.test = {.gen = 4}, .pairs = 2}, meter, clock);
  CHECK(subject.runs == 0);
  CHECK_FALSE(meter_speed_ratio(cost).has_value());
  const Record record = with(cost);
  CHECK(record.document()["meter_cost"] ==
        json{{"status", "not_measured"}, {"why", "powercap: no such folder"}});
  CHECK(meter_cost_notes(recorded_meter_cost(record).value()) ==
        std::vector<std::string>{"the meter's cost: not measured: powercap: no such folder"});
}

TEST_CASE("a failure leaves the pairs before it, and says so") {
  Machine machine;
  const MeterCost cost = measured(machine, {.test = {.gen = 100}, .pairs = 5}, 4);
  CHECK_THAT(cost.why, Contains("out of luck"));
  CHECK(machine.asking);
  const PairedRatio ratio = meter_speed_ratio(cost).value();
  CHECK(ratio.pairs == 1);
  CHECK_FALSE(ratio.has_interval);
  const std::vector<std::string> notes = meter_cost_notes(cost);
  CHECK_THAT(notes[0], Contains("(no interval, 1 pair of"));
  CHECK_THAT(notes[1], Contains("not all pairs") && Contains("out of luck"));
  Machine other;
  const MeterCost none = measured(other, {.test = {.gen = 100}, .pairs = 5}, 1);
  const json part = with(none).document()["meter_cost"];
  CHECK(part["status"] == "not_measured");
  CHECK_FALSE(part.contains("trials"));
}

TEST_CASE("the trials survive the record, apart from those of the study") {
  const MeterCost cost = two_pairs();
  const Record record = with(cost);
  CHECK(record.trials().empty());
  CHECK(record.document()["meter_cost"]["order"] == "ABBA");
  const MeterCost again = recorded_meter_cost(record).value();
  CHECK(meter_cost_notes(again) == meter_cost_notes(cost));
  CHECK_FALSE(recorded_meter_cost(Record::begin("scalar")).has_value());
}

TEST_CASE("what cannot be read of a record's part is left out") {
  Record record = with(two_pairs());
  json& part = record.document()["meter_cost"];
  part["trials"][0]["elapsed_ns"] = 0;
  part["trials"][2] = "nothing";
  part["subject"] = 7;
  const MeterCost cost = recorded_meter_cost(record).value();
  CHECK(cost.trials.size() == 3);
  CHECK_FALSE(meter_speed_ratio(cost).has_value());
  CHECK_THAT(meter_cost_notes(cost)[0], Contains("no pair was finished"));
  part = "text";
  CHECK_FALSE(recorded_meter_cost(record).has_value());
}

}  // namespace
}  // namespace tern::harness
