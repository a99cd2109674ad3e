#pragma once
// How often and for how long this machine's processor has been held back since boot, by heat and by
// its power limits: facts for environment_snapshot. What nobody counts here has a reason and no
// zero.

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tern::harness {

// Adds "throttle_counts" (events; absent where the kernel counts none) and "throttle_times": of
// "core" and "package" (heat, summed over cores and packages) and of "package_power_limit" (RAPL's
// limits, summed over packages), each
// {"seconds", "from"} or {"why"}. The last is MSR 0x613, PKG_PERF_STATUS, in the time unit of MSR
// 0x606 (Intel, Software Developer's Manual, volume 3, "Platform specific power management
// support"), read from <sysroot>/dev/cpu.
void add_throttling(const std::string& sysroot, nlohmann::json& facts);

}  // namespace tern::harness
