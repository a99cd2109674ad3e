#include "energy/perf_permission.h"

#include <charconv>

namespace tern::energy {
namespace {

// Debian and Ubuntu patch levels above 2 in; at those, CAP_PERFMON alone is refused too (3 of
// Debian's kernels asks for CAP_SYS_ADMIN).
constexpr int kMostForOwnThreads = 2;
constexpr int kMostForWholeMachine = 0;
constexpr int kUnknownLevel = 99;

int level_of(const std::string& paranoid) {
  int level = kUnknownLevel;
  std::from_chars(paranoid.data(), paranoid.data() + paranoid.size(), level);
  return level;
}

}  // namespace

PermissionAdvice perf_permission(PerfScope scope, const std::string& paranoid) {
  const bool own = scope == PerfScope::kOwnThreads;
  const int needed = own ? kMostForOwnThreads : kMostForWholeMachine;
  const int level = level_of(paranoid);
  const std::string number = std::to_string(needed);
  PermissionAdvice advice;
  advice.why = (paranoid.empty() ? "perf_event_paranoid is unreadable"
                                 : "perf_event_paranoid is " + paranoid) +
               ", and " + number + " or less lets a user count " +
               (own ? "their own threads" : "what the whole machine does");
  if (level <= needed) {
    advice.why +=
        "; it is not what refused, so a container's seccomp filter or a security module "
        "did";
  } else {
    advice.why += "; a container's seccomp filter refuses in the same way";
  }
  if (level > needed) {
    advice.remedy = "until the next boot: sudo sysctl kernel.perf_event_paranoid=" + number +
                    "\nfor good: echo 'kernel.perf_event_paranoid=" + number +
                    "' | sudo tee /etc/sysctl.d/70-perf.conf && sudo sysctl --system\n";
    advice.remedy +=
        level > kMostForOwnThreads && level != kUnknownLevel
            ? "for this program alone, once the level is 2 or less: sudo setcap cap_perfmon+ep "
              "$(command -v tern)\n"
            : "for this program alone: sudo setcap cap_perfmon+ep $(command -v tern)\n";
  }
  advice.remedy += "in a container, when starting it: docker run --cap-add PERFMON ...";
  return advice;
}

}  // namespace tern::energy
