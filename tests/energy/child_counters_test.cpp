#include "energy/child_counters.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

// The kernel's own clock of a task needs no PMU, so inheritance can be tested anywhere.
const PerfEvent kTaskClock{
    .name = "task-clock", .event = "sw::TASK_CLOCK", .type = 1, .config = 1, .why_not = {}};

// Far more than a shell takes to start and end.
constexpr std::int64_t kWork_ns = 200'000'000;

void work() {
  timespec now{};
  do {
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  } while (std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec < kWork_ns);
}

// A process that waits to be counted, and then runs a shell script.
class Waiting {
 public:
  explicit Waiting(const char* script) {
    if (::pipe(go_) != 0) throw std::runtime_error("no pipe");
    pid_ = ::fork();
    if (pid_ != 0) return;
    char byte = 0;
    // Counted from here on, this would be kWork_ns already.
    if (::read(go_[0], &byte, 1) == 1) work();
    ::execl("/bin/sh", "sh", "-c", script, nullptr);
    ::_exit(99);
  }
  ~Waiting() {
    ::close(go_[0]);
    ::close(go_[1]);
  }
  int pid() const { return pid_; }
  int run() const {
    int status = 0;
    if (::write(go_[1], "g", 1) != 1 || ::waitpid(pid_, &status, 0) != pid_) return -1;
    return WEXITSTATUS(status);
  }

 private:
  int go_[2] = {-1, -1};
  pid_t pid_ = -1;
};

constexpr const char* kBusy = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done";

CounterValue counted(const char* script) {
  const Waiting child(script);
  const ChildCounters counters({kTaskClock}, child.pid());
  REQUIRE(child.run() == 0);
  const auto values = counters.read();
  REQUIRE(values.size() == 1);
  return values[0];
}

bool usable(const CounterValue& value) {
  if (value.measured) return true;
  WARN("software events are not usable here, so inheritance is not tested: " << value.why);
  CHECK_FALSE(value.why.empty());
  return false;
}

}  // namespace

TEST_CASE("descendants are counted with the command, and what came before exec is not") {
  const CounterValue nothing = counted("exit 0");
  if (!usable(nothing)) return;
  const CounterValue alone = counted(kBusy);
  // Three processes at once, children of a child, all waited for.
  const std::string busy = std::string("(") + kBusy + ")";
  const CounterValue three =
      counted(("(" + busy + " & " + busy + " & " + kBusy + "; wait)").c_str());
  REQUIRE(alone.measured);
  REQUIRE(three.measured);
  CHECK(alone.running_share == Approx(1));
  CHECK(nothing.value < kWork_ns / 2);
  CHECK(three.value > alone.value * 1.5);
}

TEST_CASE("an event that cannot be had is absent and costs the others nothing") {
  PerfEvent unknown = kTaskClock;
  unknown.event = "no-such-event";
  unknown.config = 9999;
  PerfEvent unencoded = kTaskClock;
  unencoded.why_not = "no table knows it";
  const Waiting child("exit 0");
  const ChildCounters counters({unknown, unencoded, kTaskClock}, child.pid());
  REQUIRE(child.run() == 0);
  const auto values = counters.read();
  REQUIRE(values.size() == 3);
  CHECK_FALSE(values[0].measured);
  CHECK_THAT(values[0].why, Contains("perf_event_open of the event failed"));
  CHECK_FALSE(values[1].measured);
  CHECK(values[1].why == "no table knows it");
  if (usable(values[2])) CHECK(values[2].value > 0);
}

TEST_CASE("a process that does not exist has no counters") {
  const Waiting child("exit 0");
  REQUIRE(child.run() == 0);
  const ChildCounters counters({kTaskClock}, child.pid());
  const auto values = counters.read();
  CHECK_FALSE(values[0].measured);
  CHECK_FALSE(values[0].why.empty());
}

TEST_CASE("a count that cannot be believed is no count") {
  const auto why = [](const ThreadCount& count) {
    const CounterValue value = judge_count("cycles", count);
    CHECK(value.name == "cycles");
    CHECK_FALSE(value.measured);
    return value.why;
  };
  CHECK_THAT(why({.error = EIO}), Contains("reading failed"));
  CHECK_THAT(why({}), Contains("before it was counted"));
  CHECK_THAT(why({.value = 0, .enabled = 10, .running = 0}), Contains("without being counted"));
  CHECK_THAT(why({.value = 0, .enabled = 10, .running = 10}), Contains("did not move"));
  const CounterValue scaled = judge_count("cycles", {.value = 30, .enabled = 40, .running = 10});
  CHECK(scaled.measured);
  CHECK(scaled.value == Approx(120));
  CHECK(scaled.running_share == Approx(0.25));
}

TEST_CASE("the events of a command have portable names") {
  const auto events = command_events();
  REQUIRE(events.size() == 4);
  CHECK(events[0].name == "cycles");
  CHECK(events[1].name == "instructions");
  for (const PerfEvent& event : events) CHECK(event.why_not.empty());
}
