#pragma once
// The kernel's description of a power PMU in a made-up tree.

#include <string>

#include "tests/support/fake_sysfs.h"

namespace tern::tests {

constexpr const char* kPowerPmu = "sys/bus/event_source/devices/power";

inline void write_power_pmu(const FakeSysfs& tree, unsigned type, const std::string& cpumask,
                            const std::string& directory = kPowerPmu) {
  tree.write(directory + "/type", std::to_string(type) + "\n");
  tree.write(directory + "/cpumask", cpumask + "\n");
  tree.write(directory + "/format/event", "config:0-7\n");
}

inline void write_power_event(const FakeSysfs& tree, const std::string& name,
                              const std::string& event, const std::string& directory = kPowerPmu) {
  const std::string path = directory + "/events/" + name;
  tree.write(path, event + "\n");
  tree.write(path + ".unit", "Joules\n");
  tree.write(path + ".scale", "2.3283064365386962890625e-10\n");
}

}  // namespace tern::tests
