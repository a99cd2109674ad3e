#pragma once
// Why perf_event_open was refused and what to type about it: for one's own threads, and for events
// of the whole machine (uncore and energy PMUs), which need more. One way per line,
// "what it does: what to type".

#include <string>

namespace tern::energy {

enum class PerfScope { kOwnThreads, kWholeMachine };

struct PermissionAdvice {
  std::string why;
  std::string remedy;
};

// paranoid: text of /proc/sys/kernel/perf_event_paranoid, "" when unreadable.
PermissionAdvice perf_permission(PerfScope scope, const std::string& paranoid);

}  // namespace tern::energy
