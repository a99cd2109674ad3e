#pragma once
// RAPL through the kernel's perf `power` PMU: preferred where it is permitted, because the kernel
// accumulates in 64 bits, in exact units, and knows which CPU answers for which package. It refuses
// what is not counted all the time, what stays at zero, and what is not in joules.

#include <functional>
#include <string>

#include "energy/energy_source.h"
#include "energy/perf_group.h"
#include "energy/perf_permission.h"

namespace tern::energy {

struct PerfPowerOptions {
  std::string sysroot = "/";
  // The machine's own counters: one must move before it is believed, and may not fall silent. Under
  // a made-up sysroot another PMU may stand in for `power`, at its own pace.
  bool live = true;
  std::function<void()> pause;  // between two looks at whether the counters move; default 2 ms
};

// Opens each event of <sysroot>/sys/bus/event_source/devices/power, and power_core where it exists,
// on each CPU of its cpumask, for all processes, and keeps the descriptors.
Probe probe_perf_power(const PerfPowerOptions& options);

// What an errno of opening such an event means and what helps; more is demanded than for counting
// one's own threads.
OpenFailure explain_power_failure(int error, const std::string& event, const PerfRules& rules);

}  // namespace tern::energy
