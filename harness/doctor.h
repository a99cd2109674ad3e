#pragma once
// What can be measured on this machine, for `tern machine`: every meter and counter with the reason
// and the remedy where it is not usable, said for the place this runs in (a container hides meters
// that a flag shows again; a virtual machine has what its host passes through). It changes nothing.

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "energy/energy_source.h"

namespace tern::harness {

// Rows {"name", "usable", "why", "remedy", …}. environment: environment_snapshot(sysroot). The rows
// of perf and powercap, two doors to the same counters, have "cross_check": {"with", "verdict"
// ("agree", "disagree" or "not_compared"), "text" or "why"}.
nlohmann::json meter_rows(const std::string& sysroot, const nlohmann::json& environment);
// Of meters that were looked for already, as energy::probe_all does.
nlohmann::json meter_rows(std::span<const energy::Probe> probes, const std::string& sysroot,
                          const nlohmann::json& environment);

// Core counters are always those of the kernel that runs; DRAM counters are looked up under
// sysroot. "group" is default, detail or memory.
nlohmann::json counter_rows(const std::string& sysroot);

// What a run without joules, or without counters, keeps: rows {"name", "why", "remedy"} of what
// could be made usable by typing something.
nlohmann::json remedy_rows(const std::string& sysroot, const nlohmann::json& environment,
                           bool meters, bool counters);

}  // namespace tern::harness
