#pragma once
// A PMU as the kernel publishes it under /sys/bus/event_source/devices: its number, the CPUs that
// must open it, and its events as bits of perf_event_attr. It opens nothing. Text that does not
// parse is a reason, never a guess.

#include <string>
#include <string_view>
#include <vector>

#include "energy/perf_group.h"

namespace tern::energy {

struct SysfsPmu {
  std::string name;       // "uncore_imc_0"
  std::string directory;  // with the sysroot
  std::uint32_t type = 0;
  std::vector<int> cpus;  // of cpumask: one per package or die
  std::string why_not;    // the files that must be there are not, or do not parse
};

// Those named prefix + digits ("uncore_imc_" finds uncore_imc_0, uncore_imc_1, …), by number.
std::vector<SysfsPmu> numbered_pmus(const std::string& sysroot, std::string_view prefix);

// Terms such as "event=0x04,umask=0x03", placed by the PMU's format files; why_not when they do not
// say where a term belongs or it does not fit. The result's name and event are `name`.
PerfEvent encode_terms(const SysfsPmu& pmu, const std::string& name, std::string_view terms);

// An event with the factor that turns counts into its unit. Events without a .scale file count
// ones.
struct SysfsEvent {
  PerfEvent event;
  double scale = 1;
  std::string unit;  // "MiB", "Joules"; "" where there is no .unit file
};
SysfsEvent read_sysfs_event(const SysfsPmu& pmu, const std::string& event);

}  // namespace tern::energy
