#include "energy/perf_group.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

// From <linux/perf_event.h>: the kernel's own clocks need no PMU, so groups can be tested anywhere.
constexpr std::uint32_t kTypeSoftware = 1;
const PerfEvent kTaskClock{.name = "task-clock",
                           .event = "sw::TASK_CLOCK",
                           .type = kTypeSoftware,
                           .config = 1,
                           .why_not = {}};
const PerfEvent kCpuClock{.name = "cpu-clock",
                          .event = "sw::CPU_CLOCK",
                          .type = kTypeSoftware,
                          .config = 0,
                          .why_not = {}};
const PerfEvent kUnknown{.name = "unknown",
                         .event = "no-such-event",
                         .type = kTypeSoftware,
                         .config = 9999,
                         .why_not = {}};

int this_thread() { return static_cast<int>(::syscall(SYS_gettid)); }

std::int64_t thread_time_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

void work(std::int64_t cpu_ns) {
  const std::int64_t end = thread_time_ns() + cpu_ns;
  while (thread_time_ns() < end) {
  }
}

// A thread that works when told to, so that its counters exist before its work does.
class Worker {
 public:
  explicit Worker(std::int64_t cpu_ns) : thread_([this, cpu_ns] { run(cpu_ns); }) {
    while (id_ == 0) std::this_thread::yield();
  }
  ~Worker() { finish(); }
  int id() const { return id_; }
  void finish() {
    go_ = true;
    go_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run(std::int64_t cpu_ns) {
    id_ = this_thread();
    go_.wait(false);
    work(cpu_ns);
  }
  std::atomic<int> id_ = 0;
  std::atomic<bool> go_ = false;
  std::thread thread_;
};

bool usable_here(const PerfGroups& groups) {
  for (const CounterInfo& info : groups.counters()) {
    if (info.usable) return true;
    WARN("software events are not usable here, so groups are not tested: " << info.why_not);
    CHECK_FALSE(info.why_not.empty());
  }
  return false;
}

}  // namespace

TEST_CASE("threads are summed, each scaled by its own share") {
  const ThreadCount threads[] = {{.value = 100, .enabled = 10, .running = 10},
                                 {.value = 50, .enabled = 30, .running = 10},
                                 {.value = 0, .enabled = 0, .running = 0}};
  const CounterValue value = combine("cycles", threads);
  CHECK(value.measured);
  CHECK(value.value == Approx(250));
  CHECK(value.running_share == Approx(0.5));
  CHECK(value.time_s == Approx(40e-9));
}

TEST_CASE("a thread without an answer leaves no sum") {
  const ThreadCount uncounted[] = {{.value = 100, .enabled = 10, .running = 10},
                                   {.value = 0, .enabled = 30, .running = 0}};
  CHECK_FALSE(combine("cycles", uncounted).measured);
  CHECK_THAT(combine("cycles", uncounted).why, Contains("without being counted"));
  const ThreadCount failed[] = {{.value = 100, .enabled = 10, .running = 10}, {.error = EIO}};
  CHECK_FALSE(combine("cycles", failed).measured);
  CHECK_THAT(combine("cycles", failed).why, Contains("reading failed"));
  const ThreadCount idle[] = {{}, {}};
  CHECK_FALSE(combine("cycles", idle).measured);
  CHECK_THAT(combine("cycles", idle).why, Contains("none of the threads ran"));
}

TEST_CASE("each errno has its meaning, and permissions have a remedy") {
  CHECK_THAT(explain_open_failure(ENOENT, "x", {"2"}).why, Contains("virtual machine"));
  CHECK(explain_open_failure(ENOENT, "x", {"2"}).remedy.empty());
  for (const int error : {EACCES, EPERM}) {
    const OpenFailure failure = explain_open_failure(error, "x", {"3"});
    CHECK_THAT(failure.why, Contains("perf_event_paranoid is 3"));
    CHECK_THAT(failure.remedy, Contains("sysctl kernel.perf_event_paranoid=2") &&
                                   Contains("setcap cap_perfmon+ep"));
  }
  CHECK_THAT(explain_open_failure(EPERM, "x", {}).why, Contains("unreadable"));
  CHECK_THAT(explain_open_failure(EMFILE, "x", {"2"}).remedy, Contains("ulimit -n"));
  CHECK_THAT(explain_open_failure(ENOSYS, "x", {}).why, Contains("emulator"));
  CHECK_THAT(explain_open_failure(ESRCH, "x", {}).why, Contains("does not exist"));
  CHECK_THAT(explain_open_failure(EINVAL, "x", {}).why, Contains("user mode"));
  CHECK_THAT(explain_open_failure(E2BIG, "event-name", {}).why, Contains("event-name"));
}

TEST_CASE("an event that cannot be had is absent with its reason and costs the others nothing") {
  PerfEvent unencoded = kTaskClock;
  unencoded.why_not = "no table knows it";
  const int self = this_thread();
  PerfGroups groups({kUnknown, unencoded, kTaskClock}, {&self, 1});
  REQUIRE(groups.counters().size() == 3);
  CHECK_FALSE(groups.counters()[0].usable);
  CHECK_THAT(groups.counters()[0].why_not, Contains("no-such-event"));
  CHECK(groups.counters()[1].why_not == "no table knows it");
  groups.start();
  work(2'000'000);
  const auto values = groups.stop();
  REQUIRE(values.size() == 3);
  CHECK_FALSE(values[0].measured);
  CHECK(values[0].why == groups.counters()[0].why_not);
  CHECK_FALSE(values[1].measured);
  if (!groups.counters()[2].usable) return;
  CHECK(values[2].measured);
  CHECK(values[2].value >= 1'900'000);
}

TEST_CASE("a group counts its window and nothing outside it") {
  const int self = this_thread();
  // One clock twice: some kernels (6.18 for one) stop a member from another software PMU for good
  // once its group has been disabled and enabled again.
  PerfGroups groups({kTaskClock, kTaskClock}, {&self, 1});
  if (!usable_here(groups)) return;
  work(20'000'000);
  for (int i = 0; i < 2; ++i) {
    const std::int64_t before = thread_time_ns();
    groups.start();
    work(5'000'000);
    const auto values = groups.stop();
    const auto most = static_cast<double>(thread_time_ns() - before);
    for (const CounterValue& value : values) {
      INFO(value.name << " " << value.why);
      REQUIRE(value.measured);
      CHECK(value.running_share == Approx(1));
      CHECK(value.value >= 4'900'000);
      // Both clocks of the kernel may disagree by a tick's bookkeeping.
      CHECK(value.value <= most * 1.1 + 1e6);
    }
    work(20'000'000);
  }
}

TEST_CASE("threads that exist before the counters do are counted and summed") {
  Worker first(10'000'000);
  Worker second(20'000'000);
  Worker bystander(60'000'000);
  const int ids[] = {first.id(), second.id()};
  PerfGroups groups({kTaskClock}, ids);
  if (!usable_here(groups)) return;
  groups.start();
  first.finish();
  second.finish();
  bystander.finish();
  const auto values = groups.stop();
  REQUIRE(values[0].measured);
  CHECK(values[0].value >= 29'000'000);
  CHECK(values[0].value < 85'000'000);  // 90 ms with the bystander
}

TEST_CASE("a thread that does not exist makes the counter absent, not smaller") {
  Worker gone(0);
  const int ids[] = {this_thread(), gone.id()};
  gone.finish();
  PerfGroups groups({kTaskClock, kCpuClock}, ids);
  for (const CounterInfo& info : groups.counters()) {
    CHECK_FALSE(info.usable);
    CHECK_FALSE(info.why_not.empty());
  }
  groups.start();
  for (const CounterValue& value : groups.stop()) CHECK_FALSE(value.measured);
}

TEST_CASE("no threads, no counters") {
  PerfGroups groups({kTaskClock}, {});
  CHECK_FALSE(groups.counters()[0].usable);
  groups.start();
  CHECK_FALSE(groups.stop()[0].measured);
}
