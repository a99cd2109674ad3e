#include "harness/doctor_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>

#include "energy/confinement.h"
#include "harness/system_files.h"

namespace tern::harness {
namespace {

using nlohmann::json;

constexpr const char* kFine = "fine";
constexpr const char* kNote = "note";
constexpr const char* kProblem = "problem";
constexpr const char* kUnknown = "unknown";

// As in fitness.cpp: energy.md section 3.1.
constexpr double kQuietLoad = 0.05;
constexpr double kQuietSteal = 0.005;

json row(const char* name, std::string value, const char* verdict, std::string why = "",
         std::string remedy = "") {
  return {{"name", name},
          {"value", std::move(value)},
          {"verdict", verdict},
          {"why", std::move(why)},
          {"remedy", std::move(remedy)}};
}

std::optional<double> number_at(const json& object, const char* key) {
  const auto field = object.find(key);
  if (field == object.end() || !field->is_number()) return std::nullopt;
  return field->get<double>();
}

json virtualization(const json& environment) {
  const std::string host = environment.value("virtualization", "none");
  if (host == "none") return row("virtualisation", host, kFine);
  if (host == "container") {
    return row("virtualisation", host, kNote,
               "a container sees the machine's meters only where it was started so; its "
               "neighbours' work counts in every total");
  }
  return row("virtualisation", host, kProblem,
             "a virtual machine shares its processor, and has no meter and no counter unless its "
             "host passes them through; a meter that answers is reported as attributed",
             "counters, on a KVM host: start the machine with -cpu host,pmu=on\n"
             "energy, on a KVM host: -accel kvm,rapl=true (QEMU 9.1; attributed, not measured)\n"
             "in a cloud: take a bare-metal instance (its type often ends in .metal)");
}

json governor(const json& environment) {
  if (!environment.contains("governor")) {
    return row("governor", "not readable", kUnknown,
               "the kernel does not control this processor's clock (usual in a virtual machine)");
  }
  const std::string value = environment["governor"];
  std::string shown = value;
  if (environment.contains("energy_preference")) {
    shown += ", preference " + environment["energy_preference"].get<std::string>();
  }
  if (value == "performance") return row("governor", shown, kFine);
  return row("governor", shown, kNote,
             "the clock follows the load, so short tests run slower than long ones",
             "until the next boot: echo performance | sudo tee "
             "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor");
}

json turbo(const SystemFiles& files, const json& environment) {
  if (!environment.contains("turbo")) {
    return row("turbo", "not readable", kUnknown, "neither intel_pstate nor cpufreq says");
  }
  if (!environment["turbo"].get<bool>()) return row("turbo", "off", kFine);
  const bool intel = files.exists("sys/devices/system/cpu/intel_pstate/no_turbo");
  return row("turbo", "on", kNote,
             "the clock depends on temperature, power limits and busy cores; a run is judged by "
             "what its clock did",
             intel ? "for a fixed clock, until the next boot: echo 1 | sudo tee "
                     "/sys/devices/system/cpu/intel_pstate/no_turbo"
                   : "for a fixed clock, until the next boot: echo 0 | sudo tee "
                     "/sys/devices/system/cpu/cpufreq/boost");
}

json smt(const json& environment) {
  if (!environment.contains("smt")) return row("SMT", "not readable", kUnknown);
  const bool on = environment["smt"].get<bool>();
  return row(
      "SMT", on ? "on" : "off", kFine,
      on ? "by default there is one thread per core, whatever else runs on its siblings" : "");
}

json load(const json& environment) {
  const auto cpus = number_at(environment, "cpus_online");
  if (!environment.contains("load") || !cpus) return row("load", "not readable", kUnknown);
  const double now = environment["load"][0].get<double>();
  const std::string value = fmt::format("{:.2f} of {:.0f} CPUs in the last minute", now, *cpus);
  if (now <= kQuietLoad * *cpus) return row("load", value, kFine);
  return row("load", value, kProblem,
             "something else runs, or did until just now: its time and its joules end up in yours",
             "to see what it is: top -o %CPU");
}

json steal(const json& environment) {
  const auto steal_s = number_at(environment, "steal_s");
  const auto uptime_s = number_at(environment, "uptime_s");
  const auto cpus = number_at(environment, "cpus_online");
  if (!steal_s || !uptime_s || !cpus || *uptime_s <= 0) {
    return row("steal", "not readable", kUnknown);
  }
  const double share = *steal_s / (*uptime_s * *cpus);
  const std::string value = fmt::format("{:.2f} % of the CPU time since boot", share * 100);
  if (share <= kQuietSteal) return row("steal", value, kFine);
  return row(
      "steal", value, kProblem,
      "the hypervisor gives this machine's processor to others; no setting here prevents it");
}

// ", package_power_limit for 12.5 s" of the times that are known, and why another is not.
struct ThrottleTimes {
  std::string known, why;
  double most_s = 0;
};

ThrottleTimes throttle_times(const json& environment) {
  ThrottleTimes times;
  const json kinds = environment.value("throttle_times", json::object());
  for (const auto& [name, time] : kinds.items()) {
    if (const auto seconds = number_at(time, "seconds")) {
      times.known += fmt::format(", {} for {:.3g} s", name, *seconds);
      times.most_s = std::max(times.most_s, *seconds);
    } else if (times.why.empty()) {
      times.why = time.value("why", "");
    }
  }
  return times;
}

json throttling(const json& environment) {
  const ThrottleTimes times = throttle_times(environment);
  if (!environment.contains("throttle_counts") && times.known.empty()) {
    return row("throttling", "not counted", kUnknown,
               times.why +
                   "; a run is judged by its clock and by the kernel's thermal control "
                   "instead");
  }
  std::string value;
  std::int64_t sum = times.most_s > 0 ? 1 : 0;
  const json counts = environment.value("throttle_counts", json::object());
  for (const auto& [name, count] : counts.items()) {
    value += fmt::format("{}{} {}", value.empty() ? "" : ", ", name, count.get<std::int64_t>());
    sum += count.get<std::int64_t>();
  }
  value = (value + times.known).substr(value.empty() ? 2 : 0) + " since boot";
  if (sum == 0) return row("throttling", value, kFine);
  return row("throttling", value, kNote,
             "the processor has been slowed by heat or by a power limit; a run during which that "
             "happens is marked unfit");
}

json temperature(const json& environment) {
  if (!environment.contains("temperatures_c")) return row("temperature", "not readable", kUnknown);
  std::string hottest;
  double most_c = -273;
  for (const auto& [name, value_c] : environment["temperatures_c"].items()) {
    if (value_c.get<double>() <= most_c) continue;
    most_c = value_c.get<double>();
    hottest = name;
  }
  return row("temperature", fmt::format("{:.0f} °C ({})", most_c, hottest), kFine);
}

// With SGX on, microcode adds noise to RAPL's readings so that they leak nothing (energy.md section
// 1.11: up to half of a short reading).
json energy_filter(const SystemFiles& files) {
  const auto flags = colon_value(files.text("proc/cpuinfo").value_or(""), "flags");
  if (!flags) return row("RAPL filter", "not applicable", kFine);
  if ((" " + *flags + " ").find(" sgx ") == std::string::npos) {
    return row("RAPL filter", "off, as far as SGX tells", kFine);
  }
  return row("RAPL filter", "on: SGX is enabled", kNote,
             "the processor adds noise to its energy counters; windows of ten seconds and more "
             "average it out, short ones may be wrong by half",
             "to be rid of it: disable SGX in the firmware's set-up");
}

json perf_level(const SystemFiles& files) {
  constexpr const char* kFile = "proc/sys/kernel/perf_event_paranoid";
  constexpr int kOwnThreads = 2;
  const auto level = files.number(kFile);
  if (!level) {
    return row("perf_event_paranoid", "not readable", kUnknown,
               "the kernel has no perf events, or /proc is hidden");
  }
  std::string value = std::to_string(*level);
  if (*level <= 0) return row("perf_event_paranoid", value, kFine, "everything may be counted");
  if (*level <= kOwnThreads) {
    return row("perf_event_paranoid", value, kNote,
               "a user may count their own threads, not the memory controllers nor the energy PMU",
               "for the whole machine, until the next boot: sudo sysctl "
               "kernel.perf_event_paranoid=0\n"
               "for this program alone: sudo setcap cap_perfmon+ep $(command -v tern)");
  }
  return row(
      "perf_event_paranoid", value, kProblem,
      "a user may count nothing, and from level 3 on (Debian, Ubuntu) CAP_PERFMON alone does "
      "not help",
      "for one's own threads, until the next boot: sudo sysctl kernel.perf_event_paranoid=2\n"
      "for good: echo 'kernel.perf_event_paranoid=2' | sudo tee /etc/sysctl.d/70-perf.conf "
      "&& sudo sysctl --system");
}

json watchdog(const SystemFiles& files) {
  const auto on = files.number("proc/sys/kernel/nmi_watchdog");
  if (!on) return row("NMI watchdog", "not readable", kUnknown);
  if (*on == 0) return row("NMI watchdog", "off", kFine);
  return row("NMI watchdog", "on", kNote,
             "it holds one counter of every core; the default group fits beside it",
             "to have it free, until the next boot: sudo sysctl kernel.nmi_watchdog=0");
}

// Settings of the kernel are the host's: a container shows them and lets nobody change them, and a
// file's capability does not go beyond those it was started with.
json on_the_host(json check) {
  std::istringstream lines(check["remedy"].get<std::string>());
  std::string remedy;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("setcap") != std::string::npos) continue;
    remedy += (remedy.empty() ? "on the host, " : "\non the host, ") + line;
  }
  check["remedy"] = remedy;
  return check;
}

json build(bool optimized) {
  if (optimized) return row("build", "optimised", kFine);
  return row("build", "not optimised", kProblem, "speeds and joules of this build mean nothing",
             "in the source tree: cmake --preset release && cmake --build --preset release");
}

}  // namespace

json check_rows(const std::string& sysroot, const json& environment, bool optimized_build) {
  const SystemFiles files(sysroot);
  const bool enclosed = energy::read_confinement(sysroot).enclosed();
  const auto of_kernel = [&](json check) {
    return enclosed ? on_the_host(std::move(check)) : std::move(check);
  };
  return {virtualization(environment),
          of_kernel(governor(environment)),
          of_kernel(turbo(files, environment)),
          smt(environment),
          load(environment),
          steal(environment),
          throttling(environment),
          temperature(environment),
          energy_filter(files),
          of_kernel(perf_level(files)),
          of_kernel(watchdog(files)),
          build(optimized_build)};
}

}  // namespace tern::harness
