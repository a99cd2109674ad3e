#include "energy/perf_permission.h"

#include <cerrno>
#include <charconv>

#include "energy/sysfs_file.h"

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

struct Refusal {
  int needed;
  int level;
  int error;
  const Confinement& around;

  bool by_level() const { return level > needed; }
  bool by_filter() const { return around.filtered && error == EPERM; }
  // What lets the call pass the filter lifts the level too, and the level alone would not do.
  bool capability_is_enough() const {
    return by_filter() && !around.user_namespace && !patched_level();
  }
  // Of Debian and Ubuntu: no capability but CAP_SYS_ADMIN helps.
  bool patched_level() const { return level > kMostForOwnThreads && level != kUnknownLevel; }
};

// What refused, after the level has been told.
std::string culprit(const Refusal& refusal) {
  if (refusal.by_filter()) {
    return refusal.by_level()
               ? "; before it, the seccomp filter around this process refused (a container's)"
               : "; it is not what refused: the seccomp filter around this process did (a "
                 "container's)";
  }
  if (!refusal.by_level()) {
    return refusal.around.any() ? "; it is not what refused, so the container's seccomp filter or "
                                  "a security module did"
                                : "; it is not what refused, so a security module did";
  }
  if (refusal.around.user_namespace) {
    return "; a capability of this user namespace does not count";
  }
  return "";
}

std::string level_lines(const Refusal& refusal) {
  const std::string number = std::to_string(refusal.needed);
  const std::string where = refusal.around.enclosed() ? "on the host, " : "";
  std::string lines = where +
                      "until the next boot: sudo sysctl kernel.perf_event_paranoid=" + number +
                      "\n" + where + "for good: echo 'kernel.perf_event_paranoid=" + number +
                      "' | sudo tee /etc/sysctl.d/70-perf.conf && sudo sysctl --system\n";
  if (refusal.around.enclosed()) return lines;
  lines += refusal.patched_level() ? "for this program alone, once the level is 2 or less: "
                                   : "for this program alone: ";
  return lines + "sudo setcap cap_perfmon+ep $(command -v tern)\n";
}

// Docker's own profile lets the call pass with CAP_PERFMON from release 23 on (moby pull request
// 43987); Podman's asked for CAP_SYS_ADMIN beside it until the end of 2025 (container-libs pull
// request 424). Who is not root in a container has no capability, whatever it was started with.
std::string container_lines(const Refusal& refusal) {
  if (refusal.around.user_namespace) {
    if (!refusal.by_filter()) return "";
    return std::string(refusal.by_level() ? "and so that" : "so that") +
           " the filter lets it pass, start it with: podman run --security-opt seccomp=unconfined "
           "...\n";
  }
  const std::string once = refusal.by_level() && refusal.patched_level() ? ", at level 2" : "";
  return "in Docker from 23 on, when starting it" + once +
         ": docker run --user root --cap-add PERFMON ...\n"
         "in Podman or older Docker, when starting it" +
         once +
         ": podman run --user root --cap-add PERFMON --security-opt seccomp=unconfined ...\n";
}

}  // namespace

PerfRules read_perf_rules() {
  return {read_small_file("/proc/sys/kernel/perf_event_paranoid").text, read_confinement()};
}

PermissionAdvice perf_permission(PerfScope scope, int error, const PerfRules& rules) {
  const bool own = scope == PerfScope::kOwnThreads;
  const Refusal refusal{own ? kMostForOwnThreads : kMostForWholeMachine, level_of(rules.paranoid),
                        error, rules.around};
  PermissionAdvice advice;
  advice.why = (rules.paranoid.empty() ? "perf_event_paranoid is unreadable"
                                       : "perf_event_paranoid is " + rules.paranoid) +
               ", and " + std::to_string(refusal.needed) + " or less lets a user count " +
               (own ? "their own threads" : "what the whole machine does") + culprit(refusal);
  if (refusal.by_level() && !refusal.capability_is_enough()) advice.remedy = level_lines(refusal);
  if (rules.around.enclosed() || refusal.by_filter()) advice.remedy += container_lines(refusal);
  if (!advice.remedy.empty()) advice.remedy.pop_back();
  return advice;
}

}  // namespace tern::energy
