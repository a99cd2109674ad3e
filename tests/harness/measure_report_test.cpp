#include "harness/report/measure_report.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/harness/sample_trials.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;

Trial repetition(int index, double seconds, double joules) {
  Trial trial = measured_trial(index);
  trial.subject = "command";
  trial.test = "sleep 2";
  trial.tokens = 0;
  trial.elapsed_ns = static_cast<std::int64_t>(seconds * 1e9);
  trial.energy.total_joules = joules;
  trial.energy.window_s = seconds;
  trial.energy.domains[0].joules = joules - 4;
  trial.counters = {{"cycles", true, 4e9, 1.0, ""},
                    {"instructions", true, 6e9, 0.5, ""},
                    {"cache-misses", false, 0, 0, "no PMU"},
                    {"branch-misses", false, 0, 0, "no PMU"}};
  CommandUsage usage;
  usage.user_ns = 1'500'000'000;
  usage.system_ns = 250'000'000;
  usage.peak_rss_bytes = 3 << 20;
  trial.command = usage;
  return trial;
}

Record record_of(const std::vector<Trial>& trials) {
  Record record = Record::begin("none");
  record.document()["protocol"]["repetitions"] = trials.size();
  for (const Trial& trial : trials) record.add(trial);
  return record;
}

const std::vector<double>& values(const std::vector<MeasuredFigure>& figures,
                                  const std::string& name) {
  for (const MeasuredFigure& figure : figures) {
    if (figure.name == name) return figure.values;
  }
  throw std::runtime_error("no figure " + name);
}

TEST_CASE("every figure of a command, over its repetitions") {
  const Record record = record_of({repetition(0, 2, 100), repetition(1, 4, 240)});
  const auto figures = measured_figures(record);
  CHECK(values(figures, "wall time, s") == std::vector<double>{2, 4});
  CHECK(values(figures, "user CPU time, s") == std::vector<double>{1.5, 1.5});
  CHECK(values(figures, "system CPU time, s") == std::vector<double>{0.25, 0.25});
  CHECK(values(figures, "peak memory, MiB") == std::vector<double>{3, 3});
  CHECK(values(figures, "energy, J") == std::vector<double>{100, 240});
  CHECK(values(figures, "mean power, W") == std::vector<double>{50, 60});
  CHECK(values(figures, "package-0/dram, J") == std::vector<double>{4, 4});
  CHECK(values(figures, "psys (not in the total), J").size() == 2);
  CHECK(values(figures, "instructions per cycle") == std::vector<double>{1.5, 1.5});
  CHECK_THROWS(values(figures, "cache-misses"));
  CHECK_THROWS(values(figures, "dynamic energy, J"));
  const std::string text = measure_markdown(record);
  CHECK_THAT(text, Contains("sleep 2: 2 of 2 repetitions succeeded, exit code 0"));
  // 3 ± 12.7062 · 1.41421 / √2
  CHECK_THAT(text, Contains(" 1.41 |       -9.7062 to 15.7062 |   2 |"));
  CHECK_THAT(text, Contains("branch-misses, cache-misses: not measured: no PMU"));
  CHECK_THAT(text, Contains("instructions: extrapolated from the 50 % of the time"));
  CHECK_THAT(text, Contains("not in the total: psys: holds the package"));
}

TEST_CASE("what metering took is said of the window where it took most") {
  std::vector<Trial> trials = {repetition(0, 2, 100), repetition(1, 4, 240)};
  const std::string silent = measure_markdown(record_of(trials));
  CHECK(silent.find("its own work") == std::string::npos);
  trials[0].energy.meter_cpu_s = 0.002;
  trials[1].energy.meter_cpu_s = 0.008;
  CHECK_THAT(measure_markdown(record_of(trials)),
             Contains("meter: its own work took at most 0.2 % of one processor\n"));
}

TEST_CASE("the interval is Student's") {
  CHECK(half_interval({1, 2, 3}) == Approx(4.30265 / std::sqrt(3)).epsilon(1e-5));
}

TEST_CASE("a failed repetition is no sample, unless there is nothing else") {
  Trial failed = repetition(1, 9, 900);
  failed.command->exit_code = 4;
  failed.command->why = "it exited with 4";
  CHECK(values(measured_figures(record_of({repetition(0, 2, 100), failed})), "energy, J") ==
        std::vector<double>{100});
  CHECK(values(measured_figures(record_of({failed})), "energy, J") == std::vector<double>{900});
}

TEST_CASE("dynamic energy needs an idle machine that is quieter than what the command adds") {
  const auto dynamic = [](const std::vector<double>& idle_w) {
    Trial trial = repetition(0, 2, 100);
    trial.energy.idle_w = 45;  // 90 J of the 100 J
    Record record = record_of({trial});
    nlohmann::json& idle = record.document()["protocol"]["idle"];
    idle = {{"seconds", 5}, {"blocks", nlohmann::json::array()}};
    for (const double watts : idle_w) {
      energy::EnergyDelta block = measured_trial(0).energy;
      block.domains = {{"package-0", true, watts, true, ""}};
      block.window_s = 1;
      idle["blocks"].push_back(to_json(block));
    }
    const std::string text = measure_markdown(record);
    CHECK_THAT(text, Contains("idle power: 45 W over 5 s"));
    CHECK_THAT(text, Contains("| energy, J "));
    const auto found = values(measured_figures(record), "dynamic energy, J");
    CHECK(found.empty() == (text.find("below resolution") != std::string::npos));
    return found;
  };
  CHECK(dynamic({45, 45, 45, 45, 45}) == std::vector<double>{10});
  CHECK(dynamic({44.5, 45.5, 45, 45, 45}) == std::vector<double>{10});
  CHECK(dynamic({35, 55, 40, 50, 45}).empty());  // 3 · 3.5 W · 2 s is more than 10 J
}

TEST_CASE("what was not measured has its reason and no number") {
  Trial trial = repetition(0, 2, 100);
  trial.energy = {};
  trial.energy.why = "there is no meter";
  trial.command->peak_rss_bytes = 0;
  trial.command->why_no_peak = "too small to tell";
  const Record record = record_of({trial});
  const auto figures = measured_figures(record);
  CHECK(values(figures, "energy, J").empty());
  CHECK_THROWS(values(figures, "mean power, W"));
  CHECK_THROWS(values(figures, "peak memory, MiB"));
  const std::string text = measure_markdown(record);
  CHECK_THAT(text, Contains("energy: not measured: there is no meter"));
  CHECK_THAT(text, Contains("peak memory: not measured: too small to tell"));
  CHECK_THAT(measure_csv(record), Contains(",not_measured,,,,,"));
}

std::size_t times_in(const std::string& text, const std::string& words) {
  std::size_t count = 0;
  for (std::size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) {
    ++count;
  }
  return count;
}

TEST_CASE("idle power that lacks for the reason that energy lacks for has no second line of it") {
  Trial trial = repetition(0, 2, 100);
  trial.energy = {};
  trial.energy.why = "perf: no; powercap: no";
  Record record = record_of({trial});
  record.document()["protocol"]["idle"] = {{"seconds", 1}, {"why", "perf: no; powercap: no"}};
  const std::string text = measure_markdown(record);
  CHECK(times_in(text, "perf: no; powercap: no") == 1);
  CHECK_THAT(text, Contains("dynamic energy: not measured, nor was idle power"));
  record.document()["protocol"]["idle"]["why"] = "interrupted";
  CHECK_THAT(measure_markdown(record), Contains("dynamic energy: not measured: interrupted"));
}

TEST_CASE("the uncertainty of the meter is said, both of them, where every repetition has it") {
  std::vector<Trial> trials = {repetition(0, 2, 100), repetition(1, 2, 102)};
  trials[0].energy.u_abs_j = 3;
  trials[0].energy.u_cmp_j = 0.02;
  CHECK_THAT(measure_markdown(record_of(trials)), !Contains("uncertainty"));
  trials[1].energy.u_abs_j = 5;
  trials[1].energy.u_cmp_j = 0.04;
  CHECK_THAT(measure_markdown(record_of(trials)),
             Contains("is 4 J with the gain of its sensor, and 0.03 J without"));
}

TEST_CASE("a share of a meter is never shown as measured") {
  Trial trial = repetition(0, 2, 100);
  trial.energy.status = energy::Status::kAttributed;
  CHECK_THAT(measure_markdown(record_of({trial})),
             Contains("attributed by powercap inside a virtual machine, not measured"));
}

TEST_CASE("a record of models has nothing to say here") {
  Record record = Record::begin("scalar");
  record.add(measured_trial(0));
  CHECK_FALSE(has_commands(record));
  CHECK(measure_markdown(record).empty());
}

}  // namespace
}  // namespace tern::harness
