#include "harness/fitness.h"

#include <nlohmann/json.hpp>

#include "tests/harness/sample_trials.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Contains;
using nlohmann::json;

// Ten quiet seconds of a machine with four CPUs, of which this process used two.
json quiet() {
  const json before = {{"uptime_s", 100.0},
                       {"cpu_busy_s", 50.0},
                       {"process_cpu_s", 1.0},
                       {"steal_s", 3.0},
                       {"cpus_online", 4},
                       {"governor", "performance"},
                       {"turbo", true},
                       {"frequency_limit_mhz", 3500.0},
                       {"throttle_counts", {{"core", 7}, {"package", 9}}}};
  json after = before;
  after["uptime_s"] = 110.0;
  after["cpu_busy_s"] = 70.5;
  after["process_cpu_s"] = 21.0;
  json start = before;
  start["uptime_s"] = 90.0;
  start["cpu_busy_s"] = 40.0;
  start["process_cpu_s"] = 0.5;
  start["cpu_busy_s"] = 49.0;
  return {{"start", start}, {"before", before}, {"after", after}};
}

std::string all(const json& environment, const std::vector<Trial>& trials = {},
                bool optimized = true) {
  std::string text;
  for (const std::string& reason : unfit_reasons(environment, trials, optimized)) {
    text += reason + "\n";
  }
  return text;
}

Trial trial_at(double ghz, int order_index) {
  Trial trial = measured_trial(order_index);
  trial.subject = "ternary";
  trial.counters = {{"cycles", true, ghz * 1e9, 1, "", 1.0}};
  return trial;
}

TEST_CASE("a quiet run is fit, and so is one of which nothing can be read") {
  CHECK(all(quiet()) == "");
  CHECK(all(json::object()) == "");
  CHECK(all({{"before", json::object()}, {"after", {{"steal_s", 1e9}}}}) == "");
  CHECK(all({{"before", 1}, {"after", "x"}}) == "");
}

TEST_CASE("work of other programs beyond 5 % of the CPUs, not our own, is foreign load") {
  json environment = quiet();
  environment["after"]["cpu_busy_s"] = 72.5;  // 2.5 s of others in 10 s: 0.25 of 4 CPUs
  CHECK_THAT(all(environment), Contains("0.25 of 4 CPUs busy during the run"));
  environment["after"]["cpu_busy_s"] = 71.9;
  CHECK(all(environment) == "");
  environment["start"]["cpu_busy_s"] = 45.0;  // 4.5 of the 10 s before the first trial
  CHECK_THAT(all(environment), Contains("0.45 of 4 CPUs busy before the first trial"));
  environment["start"]["uptime_s"] = 99.9;  // too short to tell
  CHECK(all(environment) == "");
}

TEST_CASE("steal beyond half a per cent of the CPU time") {
  json environment = quiet();
  environment["after"]["steal_s"] = 3.1;
  CHECK(all(environment) == "");
  environment["after"]["steal_s"] = 3.4;
  CHECK_THAT(all(environment), Contains("1.0 % of the CPU time to other machines"));
}

TEST_CASE("one throttling event is enough, by heat or by power, and so is thermal control") {
  json environment = quiet();
  environment["after"]["throttle_counts"]["package"] = 10;
  CHECK_THAT(all(environment), Contains("throttled 1 times by heat (package)"));
  environment = quiet();
  environment["before"]["throttle_counts"]["package_power_limit"] = 0;
  environment["after"]["throttle_counts"]["package_power_limit"] = 4;
  CHECK_THAT(all(environment), Contains("throttled 4 times by a power limit"));
  environment = quiet();
  environment["after"]["cpu_cooling_state"] = 0;
  CHECK(all(environment) == "");
  environment["after"]["cpu_cooling_state"] = 2;
  CHECK_THAT(all(environment), Contains("thermal control"));
}

TEST_CASE(
    "throttled times stand beside the counts, and of power limits more than a moment counts") {
  json environment = quiet();
  environment["before"]["throttle_times"]["package"] = {{"seconds", 1.0}, {"from", "x"}};
  environment["after"]["throttle_times"]["package"] = {{"seconds", 3.5}, {"from", "x"}};
  environment["after"]["throttle_counts"]["package"] = 10;
  CHECK_THAT(all(environment), Contains("1 times by heat (package), for 2.5 s in all"));
  environment = quiet();
  json& from = environment["before"]["throttle_times"]["package_power_limit"];
  json& to = environment["after"]["throttle_times"]["package_power_limit"];
  from = {{"seconds", 5.0}, {"from", "MSR 0x613"}};
  to = {{"seconds", 5.1}, {"from", "MSR 0x613"}};
  CHECK(all(environment) == "");
  to["seconds"] = 8.0;
  CHECK_THAT(all(environment), Contains("power limits held the processor back for 3 s of 10 s"));
  to["seconds"] = 0.0;  // the register began anew
  CHECK(all(environment) == "");
  to = {{"why", "cannot read it"}};
  CHECK(all(environment) == "");
}

TEST_CASE("a setting that changed during the run is named with both values") {
  json environment = quiet();
  environment["after"]["governor"] = "powersave";
  environment["after"]["turbo"] = false;
  environment["after"]["frequency_limit_mhz"] = 2000.0;
  const std::string text = all(environment);
  CHECK_THAT(text, Contains("the governor changed from performance to powersave"));
  CHECK_THAT(text, Contains("turbo changed from true to false"));
  CHECK_THAT(text, Contains("3500.0 to 2000.0"));
}

TEST_CASE("the clock that the counters saw may not move between the halves of a run") {
  std::vector<Trial> trials;
  for (int i = 0; i < 4; ++i) trials.push_back(trial_at(i < 2 ? 3.0 : 2.98, i));
  CHECK(all(quiet(), trials) == "");
  for (int i = 2; i < 4; ++i) trials[static_cast<std::size_t>(i)] = trial_at(2.9, i);
  CHECK_THAT(all(quiet(), trials),
             Contains("the clock of ternary in tg128 @ d512 moved from 3.000 to 2.900 GHz"));
  trials.resize(1);
  CHECK(all(quiet(), trials) == "");
}

TEST_CASE("a build for debugging is unfit whatever the machine did") {
  CHECK_THAT(all(quiet(), {}, false), Contains("not optimised"));
}

TEST_CASE("a run taken up again is judged from then on") {
  json environment = quiet();
  environment["resumed"] = environment["before"];
  environment["before"]["steal_s"] = 0.0;
  environment["before"]["governor"] = "powersave";
  CHECK(all(environment) == "");
}

TEST_CASE("the verdict is kept in the record, which keeps its figures") {
  Record record = Record::begin("scalar");
  record.add(measured_trial(0));
  record.document()["environment"] = quiet();
  record.document()["environment"]["after"]["governor"] = "powersave";
  CHECK_FALSE(recorded_fitness(record).judged);
  const auto reasons = judge_fitness(record);
  CHECK_FALSE(reasons.empty());
  const RecordedFitness kept = recorded_fitness(Record::parse(record.text()));
  CHECK(kept.judged);
  CHECK(kept.reasons == reasons);
  CHECK(record.document()["environment"]["fitness"]["fit"] == false);
  CHECK(record.trials().size() == 1);
}

TEST_CASE("another program does not mind how this one was compiled") {
  Record record = Record::begin("none");
  record.document()["environment"] = quiet();
  CHECK(judge_fitness(record, Measured::kAnotherProgram).empty());
}

TEST_CASE("only --strict makes fitness a condition of the status") {
  CHECK(std::string(finished_status(false, {"x"})) == "ok");
  CHECK(std::string(finished_status(true, {"x"})) == "unfit");
  CHECK(std::string(finished_status(true, {})) == "ok");
}

}  // namespace
}  // namespace tern::harness
