#include "harness/meter_cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/error.h"
#include "harness/trial_order.h"

namespace tern::harness {
namespace {

using nlohmann::json;

constexpr const char* kOff = "the meter was off";

// The meter, when it is its turn.
class MeterSwitch final : public Instruments {
 public:
  MeterSwitch(energy::EnergyMeter& meter, Instruments& clock) : meter_(meter), clock_(clock) {}
  ~MeterSwitch() override { meter_.resume(); }
  MeterSwitch(const MeterSwitch&) = delete;
  MeterSwitch& operator=(const MeterSwitch&) = delete;

  // Long before the window, where either side may wait without a trace in it.
  void turn(bool on) {
    on_ = on;
    if (on) {
      meter_.resume();
    } else {
      meter_.pause();
    }
  }

  std::int64_t unix_ns() override { return clock_.unix_ns(); }
  std::int64_t monotonic_ns() override { return clock_.monotonic_ns(); }
  void rest(int seconds) override { clock_.rest(seconds); }
  void start() override {
    if (on_) meter_.start();
  }
  void stop(Trial& trial) override {
    if (on_) {
      trial.energy = meter_.stop();
    } else {
      trial.energy.why = kOff;
    }
  }

 private:
  energy::EnergyMeter& meter_;
  Instruments& clock_;
  bool on_ = false;
};

// The subject under the name of one side.
class SwitchedSubject final : public Subject {
 public:
  SwitchedSubject(bool on, Subject& subject, MeterSwitch& meter)
      : on_(on), name_(on ? kMeterOn : kMeterOff), subject_(subject), meter_(meter) {}

  const std::string& name() const noexcept override { return name_; }
  std::string verify() override { return ""; }  // the study has done it
  void prepare(const TestCase& test) override {
    meter_.turn(on_);
    subject_.prepare(test);
  }
  void warm_up(const TestCase& test) override { subject_.warm_up(test); }
  void run(const TestCase& test) override { subject_.run(test); }
  std::int64_t bytes_moved(const TestCase& test) const override {
    return subject_.bytes_moved(test);
  }
  engine::Operations operations(const TestCase& test) const override {
    return subject_.operations(test);
  }

 private:
  bool on_;
  std::string name_;
  Subject& subject_;
  MeterSwitch& meter_;
};

class StartsOnly final : public StudyListener {
 public:
  explicit StartsOnly(const std::function<void(const StudyStep&)>& on_start)
      : on_start_(on_start) {}
  void on_start(const StudyStep& step) override {
    if (on_start_) on_start_(step);
  }
  void on_trial(const Trial&) override {}

 private:
  const std::function<void(const StudyStep&)>& on_start_;
};

std::string why_unusable(energy::EnergyMeter& meter) {
  meter.start();
  return meter.stop().why;
}

bool has_speed(const Trial& trial) { return trial.elapsed_ns > 0 && trial.tokens > 0; }
double speed(const Trial& trial) {
  return static_cast<double>(trial.tokens) / static_cast<double>(trial.elapsed_ns);
}

const Trial* find(const MeterCost& cost, const char* side, int pair) {
  for (const Trial& trial : cost.trials) {
    if (trial.subject == side && trial.pair == pair && has_speed(trial)) return &trial;
  }
  return nullptr;
}

std::string cost_text(const MeterCost& cost, const PairedRatio& ratio) {
  const bool decode = cost.test.starts_with("tg");
  const std::string pairs = fmt::format("{} pair{} of {} {} with the meter on and off", ratio.pairs,
                                        ratio.pairs == 1 ? "" : "s", cost.subject, cost.test);
  const std::string interval =
      ratio.has_interval
          ? fmt::format("{:.2f} to {:.2f} %, ", 100 * (1 - ratio.high), 100 * (1 - ratio.low))
          : "no interval, ";
  return fmt::format("the meter costs {:.2f} % of {} speed ({}{})", 100 * (1 - ratio.value),
                     decode ? "decode" : cost.test, interval, pairs);
}

// A meter that failed, or that nobody read while the work was done, shows little of what it costs.
std::string weakness(const MeterCost& cost) {
  bool read_inside = false;
  double longest_s = 0;
  for (const Trial& trial : cost.trials) {
    if (trial.subject != kMeterOn) continue;
    if (trial.energy.status == energy::Status::kNotMeasured) {
      return "the meter's cost includes trials in which it gave no joules: " + trial.energy.why;
    }
    read_inside = read_inside || trial.energy.updates > 2;
    longest_s = std::max(longest_s, static_cast<double>(trial.elapsed_ns) * 1e-9);
  }
  if (read_inside) return "";
  return fmt::format(
      "no reading of the meter came between the ends of these trials, of {:.2g} s at most: only "
      "longer ones (-n) show what readings cost",
      longest_s);
}

}  // namespace

const TestCase& meter_cost_test(const std::vector<TestCase>& tests) {
  const auto decode = std::find_if(tests.begin(), tests.end(),
                                   [](const TestCase& t) { return t.prompt == 0 && t.gen > 0; });
  return decode != tests.end() ? *decode : tests.front();
}

MeterCost measure_meter_cost(Subject& subject, const MeterCostPlan& plan,
                             energy::EnergyMeter& meter, Instruments& clock) {
  MeterCost cost{.why = "", .subject = subject.name(), .test = plan.test.name(), .trials = {}};
  if (!meter.usable()) {
    cost.why = why_unusable(meter);
    return cost;
  }
  MeterSwitch meter_switch(meter, clock);
  SwitchedSubject on(true, subject, meter_switch);
  SwitchedSubject off(false, subject, meter_switch);
  StartsOnly listener(plan.on_start);
  StudyOutcome outcome =
      Study({&on, &off},
            {.tests = {plan.test}, .pairs = plan.pairs, .warmup = plan.warmup, .stop = plan.stop},
            meter_switch, listener)
          .run();
  cost.why = std::move(outcome.failure);
  cost.trials = std::move(outcome.trials);
  return cost;
}

void record_meter_cost(Record& record, const MeterCost& cost) {
  const bool measured = meter_speed_ratio(cost).has_value();
  json part = {{"status", measured ? "measured" : "not_measured"}};
  if (!cost.why.empty()) part["why"] = cost.why;
  if (measured) {
    part["subject"] = cost.subject;
    part["test"] = cost.test;
    part["order"] = order_text(2);
    for (const Trial& trial : cost.trials) part["trials"].push_back(to_json(trial));
  }
  record.document()["meter_cost"] = std::move(part);
}

std::optional<MeterCost> recorded_meter_cost(const Record& record) {
  const json& document = record.document();
  const auto part = document.find("meter_cost");
  if (part == document.end() || !part->is_object()) return std::nullopt;
  MeterCost cost;
  for (const auto& [key, text] :
       {std::pair("why", &cost.why), {"subject", &cost.subject}, {"test", &cost.test}}) {
    const auto field = part->find(key);
    if (field != part->end() && field->is_string()) *text = field->get<std::string>();
  }
  const auto trials = part->find("trials");
  if (trials == part->end() || !trials->is_array()) return cost;
  for (const json& trial : *trials) {
    try {
      cost.trials.push_back(trial_from_json(trial));
    } catch (const Error&) {
      continue;
    }
  }
  return cost;
}

std::optional<PairedRatio> meter_speed_ratio(const MeterCost& cost) {
  std::vector<double> on, off;
  for (const Trial& trial : cost.trials) {
    if (trial.subject != kMeterOn || !has_speed(trial)) continue;
    const Trial* other = find(cost, kMeterOff, trial.pair);
    if (other == nullptr) continue;
    on.push_back(speed(trial));
    off.push_back(speed(*other));
  }
  if (on.empty()) return std::nullopt;
  return paired_ratio(on, off);
}

std::vector<std::string> meter_cost_notes(const MeterCost& cost) {
  const std::optional<PairedRatio> ratio = meter_speed_ratio(cost);
  const std::string why = cost.why.empty() ? "no pair was finished" : cost.why;
  if (!ratio) return {"the meter's cost: not measured: " + why};
  std::vector<std::string> notes = {cost_text(cost, *ratio)};
  if (!cost.why.empty()) notes.push_back("the meter's cost: not all pairs: " + cost.why);
  std::string weak = weakness(cost);
  if (!weak.empty()) notes.push_back(std::move(weak));
  return notes;
}

}  // namespace tern::harness
