#include "energy/perf_permission.h"

#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

TEST_CASE("one's own threads need level 2, the whole machine level 0") {
  const PermissionAdvice own = perf_permission(PerfScope::kOwnThreads, "3");
  CHECK_THAT(own.why, Contains("perf_event_paranoid is 3") && Contains("own threads"));
  CHECK_THAT(own.remedy, Contains("sudo sysctl kernel.perf_event_paranoid=2") &&
                             Contains("/etc/sysctl.d/") &&
                             Contains("docker run --cap-add PERFMON"));
  // Where Debian's level 3 asks for more than CAP_PERFMON, the capability alone is no remedy.
  CHECK_THAT(own.remedy, Contains("once the level is 2 or less: sudo setcap cap_perfmon+ep"));
  const PermissionAdvice all = perf_permission(PerfScope::kWholeMachine, "2");
  CHECK_THAT(all.remedy, Contains("sudo sysctl kernel.perf_event_paranoid=0") &&
                             Contains("for this program alone: sudo setcap cap_perfmon+ep"));
  CHECK_THAT(all.why, Contains("whole machine"));
}

TEST_CASE("where the level allows it, lowering it further is not advised") {
  for (const char* level : {"2", "1", "-1"}) {
    const PermissionAdvice advice = perf_permission(PerfScope::kOwnThreads, level);
    CHECK(advice.remedy.find("sysctl") == std::string::npos);
    CHECK_THAT(advice.why, Contains("seccomp"));
    CHECK_THAT(advice.remedy, Contains("--cap-add PERFMON"));
  }
  CHECK_THAT(perf_permission(PerfScope::kOwnThreads, "").why, Contains("unreadable"));
}

TEST_CASE("every line of a remedy says what it does and what to type") {
  for (const char* level : {"", "4", "2", "0"}) {
    const std::string remedy = perf_permission(PerfScope::kWholeMachine, level).remedy;
    for (std::size_t begin = 0; begin < remedy.size();) {
      const std::size_t end = std::min(remedy.find('\n', begin), remedy.size());
      CHECK_THAT(remedy.substr(begin, end - begin), Contains(": "));
      begin = end + 1;
    }
  }
}
