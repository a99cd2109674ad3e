#include "energy/perf_permission.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

constexpr Confinement kDocker{.container = true, .user_namespace = false, .filtered = true};
constexpr Confinement kRootless{.container = true, .user_namespace = true, .filtered = true};
constexpr Confinement kUnfiltered{.container = true, .user_namespace = false, .filtered = false};

PermissionAdvice own(const std::string& level, int error = EACCES, Confinement around = {}) {
  return perf_permission(PerfScope::kOwnThreads, error, {level, around});
}

PermissionAdvice machine(const std::string& level, int error = EACCES, Confinement around = {}) {
  return perf_permission(PerfScope::kWholeMachine, error, {level, around});
}

}  // namespace

TEST_CASE("one's own threads need level 2, the whole machine level 0") {
  const PermissionAdvice advice = own("3");
  CHECK_THAT(advice.why, Contains("perf_event_paranoid is 3") && Contains("own threads"));
  CHECK_THAT(advice.remedy,
             Contains("sudo sysctl kernel.perf_event_paranoid=2") && Contains("/etc/sysctl.d/"));
  // Where Debian's level 3 asks for more than CAP_PERFMON, the capability alone is no remedy.
  CHECK_THAT(advice.remedy, Contains("once the level is 2 or less: sudo setcap cap_perfmon+ep"));
  const PermissionAdvice all = machine("2");
  CHECK_THAT(all.remedy, Contains("sudo sysctl kernel.perf_event_paranoid=0") &&
                             Contains("for this program alone: sudo setcap cap_perfmon+ep"));
  CHECK_THAT(all.why, Contains("whole machine"));
}

TEST_CASE("outside of containers nothing is said of them") {
  for (const char* level : {"", "4", "2", "1", "-1"}) {
    for (const PermissionAdvice& advice : {own(level), machine(level), own(level, EPERM)}) {
      CHECK_THAT(advice.why + advice.remedy, !Contains("container") && !Contains("docker"));
    }
  }
}

TEST_CASE("where the level allows it, lowering it further is not advised") {
  for (const char* level : {"2", "1", "-1"}) {
    CHECK(own(level).remedy.empty());
    CHECK_THAT(own(level).why, Contains("a security module did"));
    CHECK_THAT(own(level, EPERM, kDocker).why, Contains("the seccomp filter around this process"));
    CHECK_THAT(own(level, EPERM, kDocker).remedy,
               Contains("--cap-add PERFMON") && !Contains("sysctl"));
  }
  CHECK_THAT(own("").why, Contains("unreadable"));
}

TEST_CASE("in a container neither a sysctl nor a capability of the file is typed inside") {
  for (const char* level : {"", "4", "3", "2", "1"}) {
    for (const int error : {EACCES, EPERM}) {
      for (const Confinement& around : {kDocker, kRootless, kUnfiltered}) {
        const std::string remedy = machine(level, error, around).remedy;
        INFO(remedy);
        CHECK_THAT(remedy, !Contains("setcap"));
        std::size_t at = 0;
        while ((at = remedy.find("sudo sysctl kernel", at)) != std::string::npos) {
          const std::size_t line = remedy.rfind('\n', at);
          const std::size_t begin = line == std::string::npos ? 0 : line + 1;
          CHECK(remedy.compare(begin, 13, "on the host, ") == 0);
          ++at;
        }
      }
    }
  }
}

TEST_CASE("what a container was started with decides, and what that may give depends on its root") {
  // The filter is the first obstacle; the capability that lifts it lifts the level too.
  const PermissionAdvice docker = machine("2", EPERM, kDocker);
  CHECK_THAT(docker.remedy, Contains("docker run --user root --cap-add PERFMON") &&
                                Contains("--cap-add PERFMON --security-opt seccomp=unconfined") &&
                                !Contains("sysctl"));
  CHECK_THAT(docker.why, Contains("before it, the seccomp filter around this process refused"));
  // Debian's level 3 asks for more than that.
  CHECK_THAT(machine("3", EPERM, kDocker).remedy,
             Contains("on the host, until the next boot: sudo sysctl") &&
                 Contains("at level 2: docker run"));
  // No capability of a user namespace counts.
  const PermissionAdvice rootless = machine("2", EPERM, kRootless);
  CHECK_THAT(rootless.remedy, Contains("on the host, until the next boot: sudo sysctl") &&
                                  Contains("podman run --security-opt seccomp=unconfined") &&
                                  !Contains("--cap-add"));
  CHECK_THAT(machine("2", EACCES, kRootless).why, Contains("of this user namespace"));
  CHECK_THAT(machine("2", EACCES, kRootless).remedy, !Contains("seccomp"));
}

TEST_CASE("every line of a remedy says what it does and what to type") {
  constexpr std::size_t kLongestLabel = 60;  // what doctor_text.cpp takes for one
  for (const char* level : {"", "4", "2", "0"}) {
    for (const Confinement& around : {Confinement{}, kDocker, kRootless, kUnfiltered}) {
      for (const int error : {EACCES, EPERM}) {
        const std::string remedy = machine(level, error, around).remedy;
        for (std::size_t begin = 0; begin < remedy.size();) {
          const std::size_t end = std::min(remedy.find('\n', begin), remedy.size());
          const std::string line = remedy.substr(begin, end - begin);
          INFO(line);
          CHECK(line.find(": ") <= kLongestLabel);
          begin = end + 1;
        }
      }
    }
  }
}
