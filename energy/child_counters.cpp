#include "energy/child_counters.h"

#include <linux/perf_event.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "energy/perf_open.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

// Not in a group: a group is counted as a whole or not at all, and inherited groups need newer
// kernels.
int open_inherited(const PerfEvent& event, int process_id) {
  return open_perf_event(event, {.thread_id = process_id},
                         {.start = PerfStart::kOnExec, .user_only = true});
}

// Value, enabled, running: perf_event_open(2), without PERF_FORMAT_GROUP.
ThreadCount read_count(int fd) {
  std::array<std::uint64_t, 3> buffer{};
  const ssize_t got = ::read(fd, buffer.data(), sizeof buffer);
  if (got < 0) return {.error = errno};
  if (static_cast<std::size_t>(got) != sizeof buffer) return {.error = ENODATA};
  return {.value = buffer[0], .enabled = buffer[1], .running = buffer[2]};
}

PerfEvent generic(const char* name, const char* event, std::uint64_t config) {
  return {
      .name = name, .event = event, .type = PERF_TYPE_HARDWARE, .config = config, .why_not = {}};
}

}  // namespace

std::vector<PerfEvent> command_events() {
  return {
      generic("cycles", "PERF_COUNT_HW_CPU_CYCLES", PERF_COUNT_HW_CPU_CYCLES),
      generic("instructions", "PERF_COUNT_HW_INSTRUCTIONS", PERF_COUNT_HW_INSTRUCTIONS),
      generic("cache-misses", "PERF_COUNT_HW_CACHE_MISSES", PERF_COUNT_HW_CACHE_MISSES),
      generic("branch-misses", "PERF_COUNT_HW_BRANCH_MISSES", PERF_COUNT_HW_BRANCH_MISSES),
  };
}

CounterValue judge_count(const std::string& name, const ThreadCount& count) {
  CounterValue value;
  value.name = name;
  if (count.error != 0) {
    value.why = "a reading failed: " + error_text(count.error);
  } else if (count.enabled == 0) {
    value.why = "the command ended before it was counted";
  } else if (count.running == 0) {
    value.why = "the command ran without being counted: all hardware counters were taken";
  } else if (count.value == 0) {
    value.why =
        "the counter did not move while the command ran (a virtual machine's empty PMU reads so)";
  } else {
    return combine(name, {&count, 1});
  }
  return value;
}

struct ChildCounters::Counter {
  std::string name;
  std::string why_not;
  int fd = -1;

  explicit Counter(const PerfEvent& event) : name(event.name), why_not(event.why_not) {}
  Counter(Counter&& other) noexcept
      : name(std::move(other.name)),
        why_not(std::move(other.why_not)),
        fd(std::exchange(other.fd, -1)) {}
  Counter& operator=(Counter&&) = delete;
  ~Counter() {
    if (fd >= 0) ::close(fd);
  }
};

ChildCounters::ChildCounters(const std::vector<PerfEvent>& events, int process_id) {
  counters_.reserve(events.size());
  for (const PerfEvent& event : events) {
    Counter& counter = counters_.emplace_back(event);
    if (!counter.why_not.empty()) continue;
    const int fd = open_inherited(event, process_id);
    if (fd >= 0) {
      counter.fd = fd;
      continue;
    }
    // Not its name, which stands beside it: counters that share a reason can then share a line.
    counter.why_not = explain_open_failure(-fd, "the event", read_perf_rules()).why;
  }
}

ChildCounters::~ChildCounters() = default;

std::vector<CounterValue> ChildCounters::read() const {
  std::vector<CounterValue> values;
  for (const Counter& counter : counters_) {
    if (counter.fd >= 0) {
      values.push_back(judge_count(counter.name, read_count(counter.fd)));
    } else {
      values.push_back({counter.name, false, 0, 0, counter.why_not});
    }
  }
  return values;
}

}  // namespace tern::energy
