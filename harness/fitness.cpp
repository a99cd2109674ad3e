#include "harness/fitness.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "energy/counter_figures.h"
#include "harness/build_info.h"

namespace tern::harness {
namespace {

using nlohmann::json;

// Work of other programs, as a share of all CPUs, above which a machine is not quiet
// (energy.md section 3.1: load above 0.05 per CPU).
constexpr double kForeignShare = 0.05;
// CPU time that the hypervisor gave to others, as a share of all (energy.md section 3.1).
constexpr double kStealShare = 0.005;
// Half the least effect that gate and compare look for: a clock that moved further can pass for
// one. energy.md section 3.1 asks for 1 % between the sides of a comparison too.
constexpr double kFrequencyShare = 0.01;
// Time under a power limit, as a share of the run: what a clock may differ by, had it been held
// back to nothing.
constexpr double kThrottledShare = 0.01;
// /proc counts in hundredths of a second: over a shorter window, a few of them are 5 %.
constexpr double kLeastWindow_s = 0.5;

std::optional<double> number_at(const json& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto field = object.find(key);
  if (field == object.end() || !field->is_number()) return std::nullopt;
  return field->get<double>();
}

json part_of(const json& object, const char* key) {
  const auto field = object.is_object() ? object.find(key) : object.end();
  return field != object.end() && field->is_object() ? *field : json::object();
}

// How much a reading grew between two snapshots.
std::optional<double> growth(const json& before, const json& after, const char* key) {
  const auto from = number_at(before, key);
  const auto to = number_at(after, key);
  if (!from || !to) return std::nullopt;
  return *to - *from;
}

using Reasons = std::vector<std::string>;

// Other programs' work is what all CPUs did less what this process did.
void add_foreign_load(const json& before, const json& after, const char* when, Reasons& reasons) {
  const auto window_s = growth(before, after, "uptime_s");
  const auto busy_s = growth(before, after, "cpu_busy_s");
  const auto own_s = growth(before, after, "process_cpu_s");
  const auto cpus = number_at(after, "cpus_online");
  if (!window_s || !busy_s || !own_s || !cpus || *window_s < kLeastWindow_s) return;
  const double foreign = (*busy_s - *own_s) / *window_s;
  if (foreign <= kForeignShare * *cpus) return;
  reasons.push_back(
      fmt::format("other programs kept {:.2f} of {:.0f} CPUs busy {} (quiet is at most {:.0f} %)",
                  foreign, *cpus, when, kForeignShare * 100));
}

void add_steal(const json& before, const json& after, Reasons& reasons) {
  const auto window_s = growth(before, after, "uptime_s");
  const auto steal_s = growth(before, after, "steal_s");
  const auto cpus = number_at(after, "cpus_online");
  if (!window_s || !steal_s || !cpus || *window_s < kLeastWindow_s) return;
  const double share = *steal_s / (*window_s * *cpus);
  if (share <= kStealShare) return;
  reasons.push_back(fmt::format(
      "the hypervisor gave {:.1f} % of the CPU time to other machines (quiet is at most {:.1f} %)",
      share * 100, kStealShare * 100));
}

std::optional<double> throttled_s(const json& before, const json& after, const std::string& kind) {
  const json from = part_of(part_of(before, "throttle_times"), kind.c_str());
  const json to = part_of(part_of(after, "throttle_times"), kind.c_str());
  return growth(from, to, "seconds");
}

// Here the time is known; a processor under full load touches its limits for moments.
void add_power_limit(const json& before, const json& after, Reasons& reasons) {
  const auto window_s = growth(before, after, "uptime_s");
  const double time_s = throttled_s(before, after, "package_power_limit").value_or(0);
  if (!window_s || *window_s <= 0 || time_s <= kThrottledShare * *window_s) return;
  reasons.push_back(
      fmt::format("power limits held the processor back for {:.3g} s of {:.3g} s (MSR 0x613)",
                  time_s, *window_s));
}

// Any throttling at all: one event is a time at another clock, and how long it took is not known.
void add_throttling(const json& before, const json& after, Reasons& reasons) {
  const json from = part_of(before, "throttle_counts");
  const json to = part_of(after, "throttle_counts");
  for (const auto& [name, count] : to.items()) {
    const double times = growth(from, to, name.c_str()).value_or(0);
    if (times <= 0) continue;
    const bool power = name.ends_with("power_limit");
    const double time_s = power ? 0 : throttled_s(before, after, name).value_or(0);
    reasons.push_back(
        fmt::format("the processor was throttled {:.0f} times by {} ({}){}", times,
                    power ? "a power limit" : "heat", name,
                    time_s > 0 ? fmt::format(", for {:.3g} s in all", time_s) : std::string()));
  }
  add_power_limit(before, after, reasons);
  const double cooling = number_at(after, "cpu_cooling_state").value_or(0);
  if (cooling > 0) reasons.push_back("the kernel's thermal control held the processor back");
}

std::string shown(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// Settings that somebody, or a daemon, changed while the run went on.
void add_changes(const json& before, const json& after, Reasons& reasons) {
  constexpr std::pair<const char*, const char*> kSettings[] = {
      {"governor", "the governor"},
      {"energy_preference", "the energy preference"},
      {"turbo", "turbo"},
      {"smt", "SMT"},
      {"frequency_limit_mhz", "the frequency limit (mean over CPUs, MHz)"},
      {"cpus_online", "the number of online CPUs"},
  };
  for (const auto& [key, what] : kSettings) {
    if (!before.contains(key) || !after.contains(key) || before[key] == after[key]) continue;
    reasons.push_back(
        fmt::format("{} changed from {} to {}", what, shown(before[key]), shown(after[key])));
  }
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// The clock the threads really had, from the counters: the later half of each subject's trials
// against the earlier one.
void add_frequency(const std::vector<Trial>& trials, Reasons& reasons) {
  std::map<std::pair<std::string, std::string>, std::vector<double>> clocks;
  for (const Trial& trial : trials) {
    const auto clock = energy::figures(trial.counters).frequency_hz;
    if (clock) clocks[{trial.test, trial.subject}].push_back(*clock);
  }
  for (const auto& [key, hz] : clocks) {
    const auto half = static_cast<std::ptrdiff_t>(hz.size() / 2);
    if (half == 0) continue;
    const double early = median({hz.begin(), hz.begin() + half});
    const double late = median({hz.end() - half, hz.end()});
    if (std::abs(late / early - 1) <= kFrequencyShare) continue;
    reasons.push_back(fmt::format(
        "the clock of {} in {} moved from {:.3f} to {:.3f} GHz (steady is within {:.0f} %)",
        key.second, key.first, early * 1e-9, late * 1e-9, kFrequencyShare * 100));
  }
}

}  // namespace

std::vector<std::string> unfit_reasons(const json& environment, const std::vector<Trial>& trials,
                                       bool optimized_build) {
  Reasons reasons;
  if (!optimized_build) {
    reasons.emplace_back("this build is not optimised, so its speeds and joules mean nothing");
  }
  const json start = part_of(environment, "start");
  const json resumed = part_of(environment, "resumed");
  const json before = resumed.empty() ? part_of(environment, "before") : resumed;
  const json after = part_of(environment, "after");
  add_foreign_load(start, part_of(environment, "before"), "before the first trial", reasons);
  add_foreign_load(before, after, "during the run", reasons);
  add_steal(before, after, reasons);
  add_throttling(before, after, reasons);
  add_changes(before, after, reasons);
  add_frequency(trials, reasons);
  return reasons;
}

std::vector<std::string> judge_fitness(Record& record, Measured what) {
  json& environment = record.document().at("environment");
  const bool optimized = what == Measured::kAnotherProgram || build_info().optimized;
  Reasons reasons = unfit_reasons(environment, record.trials(), optimized);
  environment["fitness"] = {{"fit", reasons.empty()}, {"reasons", reasons}};
  return reasons;
}

std::vector<std::string> judge_fitness(Record& record) {
  return judge_fitness(record, Measured::kThisBuild);
}

RecordedFitness recorded_fitness(const Record& record) {
  const json fitness = part_of(record.document().at("environment"), "fitness");
  RecordedFitness result;
  result.judged = !fitness.empty();
  const auto reasons = fitness.find("reasons");
  if (reasons == fitness.end() || !reasons->is_array()) return result;
  for (const json& reason : *reasons) {
    if (reason.is_string()) result.reasons.push_back(reason.get<std::string>());
  }
  return result;
}

const char* finished_status(bool strict, const std::vector<std::string>& unfit) noexcept {
  return strict && !unfit.empty() ? "unfit" : "ok";
}

}  // namespace tern::harness
