#pragma once
// Why perf_event_open was refused and what to type about it: for one's own threads, and for events
// of the whole machine (uncore and energy PMUs), which need more. One way per line,
// "what it does: what to type"; inside a container, what must be typed on the host or when it is
// started.

#include <string>

#include "energy/confinement.h"

namespace tern::energy {

enum class PerfScope { kOwnThreads, kWholeMachine };

struct PermissionAdvice {
  std::string why;
  std::string remedy;
};

// What decides who may count.
struct PerfRules {
  std::string paranoid = {};  // text of /proc/sys/kernel/perf_event_paranoid, "" when unreadable
  Confinement around = {};
};
PerfRules read_perf_rules();

// error: EACCES, with which the kernel refuses by its level, or EPERM, which is also the answer of
// containers' seccomp filters (perf_event_open(2), seccomp(2)).
PermissionAdvice perf_permission(PerfScope scope, int error, const PerfRules& rules);

}  // namespace tern::energy
