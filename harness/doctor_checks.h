#pragma once
// The settings and the state of a machine that decide whether a measurement on it can be trusted,
// each with what it means and what to type: governor, turbo, SMT, virtualisation, load, steal,
// throttling, the RAPL filter, what the kernel lets a user count, and the build.

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tern::harness {

// Rows {"name", "value", "verdict", "why", "remedy"}; verdict is "fine", "note" (know it),
// "problem" (change it before you publish) or "unknown" (the file is not there). environment:
// environment_snapshot(sysroot).
nlohmann::json check_rows(const std::string& sysroot, const nlohmann::json& environment,
                          bool optimized_build);

}  // namespace tern::harness
