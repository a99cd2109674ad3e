#pragma once
// What sysfs says of the kernel's `power` PMU: its number, the CPUs that answer for their packages,
// and its events with their units. Text that is not exactly what the kernel writes is a reason,
// never a guess: a wrong number here would open another PMU and call its events joules.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "energy/energy_source.h"

namespace tern::energy {

struct PowerEvent {
  std::string name;  // "energy-pkg"
  DomainKind kind = DomainKind::kOther;
  std::uint64_t config = 0;     // as in perf_event_attr
  double joules_per_count = 0;  // 2^-32 on all kernels so far
  std::string why_not;          // this event cannot be used
};

struct PowerPmu {
  std::string directory;
  bool exists = false;
  std::uint32_t type = 0;
  std::vector<int> cpus;           // ascending
  std::vector<PowerEvent> events;  // packages first
  std::string why_not;             // the PMU cannot be used
};

// directory: <sysroot>/sys/bus/event_source/devices/power, or power_core with its event per core.
PowerPmu read_power_pmu(const std::string& directory);

}  // namespace tern::energy
