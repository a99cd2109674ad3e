#include "energy/perf_group.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <utility>

#include "energy/perf_open.h"
#include "energy/perf_permission.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

int open_event(const PerfEvent& event, int thread_id, int leader) {
  // Members follow their leader.
  const PerfStart start = leader < 0 ? PerfStart::kWhenEnabled : PerfStart::kAtOnce;
  return open_perf_event(event, {.thread_id = thread_id},
                         {.start = start, .user_only = true, .grouped = true, .leader = leader});
}

struct GroupReading {
  int error = 0;
  std::uint64_t enabled = 0;
  std::uint64_t running = 0;
  std::vector<std::uint64_t> values;
};

// Layout of PERF_FORMAT_GROUP (perf_event_open(2)): count, enabled, running, one value per member.
GroupReading read_group(int leader, std::size_t members) {
  constexpr std::size_t kHeader = 3;
  std::vector<std::uint64_t> buffer(kHeader + members);
  const std::size_t bytes = buffer.size() * sizeof buffer[0];
  const ssize_t got = ::read(leader, buffer.data(), bytes);
  if (got < 0) return {.error = errno, .values = {}};
  if (static_cast<std::size_t>(got) != bytes || buffer[0] != members) {
    return {.error = ENODATA, .values = {}};
  }
  return {.error = 0,
          .enabled = buffer[1],
          .running = buffer[2],
          .values = {buffer.begin() + kHeader, buffer.end()}};
}

// Counts the event alone on the calling thread until it moves, at most for the time a scheduler
// needs to rotate a crowded PMU several times.
bool moves(int fd) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kPatience = std::chrono::milliseconds(50);
  if (::ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) != 0) return false;
  const auto deadline = Clock::now() + kPatience;
  do {
    for (volatile int i = 0; i < 20'000;) i = i + 1;
    const GroupReading reading = read_group(fd, 1);
    if (reading.error == 0 && reading.running > 0 && reading.values[0] > 0) return true;
  } while (Clock::now() < deadline);
  return false;
}

CounterInfo unusable(const PerfEvent& event, std::string why, std::string remedy = "") {
  return {event.name, false, event.event, std::move(why), std::move(remedy)};
}

CounterInfo try_here(const PerfEvent& event) {
  if (!event.why_not.empty()) return unusable(event, event.why_not);
  const int fd = open_event(event, 0, -1);
  if (fd < 0) {
    OpenFailure failure = explain_open_failure(-fd, event.event, read_perf_rules());
    return unusable(event, std::move(failure.why), std::move(failure.remedy));
  }
  const bool alive = moves(fd);
  ::close(fd);
  if (alive) return {event.name, true, event.event, "", ""};
  return unusable(event, event.event +
                             " opens but does not count (a virtual machine's empty PMU, or "
                             "all hardware counters taken)");
}

OpenFailure not_permitted(const std::string& what, int error, const PerfRules& rules) {
  PermissionAdvice advice = perf_permission(PerfScope::kOwnThreads, error, rules);
  return {what + ": " + advice.why, std::move(advice.remedy)};
}

}  // namespace

OpenFailure explain_open_failure(int error, const std::string& event, const PerfRules& rules) {
  const std::string what = "perf_event_open of " + event + " failed (" + error_text(error) + ")";
  switch (error) {
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:
      return {what +
                  ": there is no hardware counter for it here (usual in a virtual machine; "
                  "elsewhere the CPU, or the kernel for this CPU, lacks the event)",
              ""};
    case EACCES:
    case EPERM:
      return not_permitted(what, error, rules);
    case ENOSYS:
      return {what + ": the kernel, or the emulator in its place, has no perf events", ""};
    case EMFILE:
    case ENFILE:
      return {what + ": one file per thread and event is needed", "ulimit -n 4096"};
    case EINVAL:
      return {what + ": the counter cannot count user mode alone, or does not know this event", ""};
    case EBUSY:
      return {what + ": another program holds the counters for itself", ""};
    case ESRCH:
      return {what + ": the thread to count does not exist", ""};
    default:
      return {what, ""};
  }
}

CounterValue combine(const std::string& name, std::span<const ThreadCount> threads) {
  CounterValue result;
  result.name = name;
  double enabled = 0;
  double running = 0;
  double total = 0;
  for (const ThreadCount& thread : threads) {
    if (thread.error != 0) {
      result.why = "a reading failed: " + error_text(thread.error);
      return result;
    }
    if (thread.enabled == 0) continue;
    if (thread.running == 0) {
      result.why = "a thread ran without being counted: all hardware counters were taken";
      return result;
    }
    const auto enabled_ns = static_cast<double>(thread.enabled);
    const auto running_ns = static_cast<double>(thread.running);
    total += static_cast<double>(thread.value) * (enabled_ns / running_ns);
    enabled += enabled_ns;
    running += running_ns;
  }
  if (enabled <= 0) {
    result.why = "none of the threads ran in the window";
    return result;
  }
  result.measured = true;
  result.value = total;
  result.time_s = enabled * 1e-9;
  result.running_share = running / enabled;
  return result;
}

// Descriptors of one thread's group, leader first, and its reading when the window began.
struct PerfGroups::Group {
  int thread_id = 0;
  std::vector<int> fds;
  GroupReading begin;

  explicit Group(int id) : thread_id(id) {}
  Group(Group&& other) noexcept
      : thread_id(other.thread_id),
        fds(std::exchange(other.fds, {})),
        begin(std::move(other.begin)) {}
  Group& operator=(Group&&) = delete;
  ~Group() {
    for (const int fd : fds) ::close(fd);
  }

  int leader() const noexcept { return fds.empty() ? -1 : fds.front(); }
  int switch_to(unsigned long request) const noexcept {
    return ::ioctl(leader(), request, PERF_IOC_FLAG_GROUP) == 0 ? 0 : errno;
  }

  ThreadCount difference(const GroupReading& end, std::size_t member) const {
    if (begin.error != 0) return {.error = begin.error};
    if (end.error != 0) return {.error = end.error};
    return {.value = end.values[member] - begin.values[member],
            .enabled = end.enabled - begin.enabled,
            .running = end.running - begin.running};
  }
};

PerfGroups::PerfGroups(std::vector<PerfEvent> events, std::span<const int> thread_ids) {
  groups_.reserve(thread_ids.size());
  for (const int id : thread_ids) groups_.emplace_back(id);
  for (const PerfEvent& event : events) {
    CounterInfo info = try_here(event);
    if (info.usable && groups_.empty()) info = unusable(event, "no thread to count was given");
    if (info.usable) open_everywhere(event, info);
    if (info.usable) slots_.push_back(counters_.size());
    counters_.push_back(std::move(info));
  }
}

PerfGroups::~PerfGroups() = default;

// All threads or none: a sum that lacks a thread would pass for the whole.
void PerfGroups::open_everywhere(const PerfEvent& event, CounterInfo& info) {
  const std::size_t members = slots_.size();
  for (Group& group : groups_) {
    const int fd = open_event(event, group.thread_id, group.leader());
    if (fd >= 0) {
      group.fds.push_back(fd);
      continue;
    }
    OpenFailure failure = explain_open_failure(-fd, event.event, read_perf_rules());
    info = unusable(event, failure.why + " [thread " + std::to_string(group.thread_id) + "]",
                    std::move(failure.remedy));
    for (Group& opened : groups_) {
      if (opened.fds.size() == members) break;
      ::close(opened.fds.back());
      opened.fds.pop_back();
    }
    return;
  }
}

void PerfGroups::start() {
  if (slots_.empty()) return;
  // Time enabled cannot be reset, so the window is a difference and nothing is.
  for (Group& group : groups_) group.begin = read_group(group.leader(), slots_.size());
  for (Group& group : groups_) {
    const int error = group.switch_to(PERF_EVENT_IOC_ENABLE);
    if (group.begin.error == 0) group.begin.error = error;
  }
}

std::vector<CounterValue> PerfGroups::stop() {
  std::vector<CounterValue> values;
  for (const CounterInfo& info : counters_) {
    values.push_back({info.name, false, 0, 0, info.why_not, 0});
  }
  if (slots_.empty()) return values;
  for (const Group& group : groups_) group.switch_to(PERF_EVENT_IOC_DISABLE);
  std::vector<GroupReading> ends;
  for (const Group& group : groups_) ends.push_back(read_group(group.leader(), slots_.size()));
  for (std::size_t member = 0; member < slots_.size(); ++member) {
    std::vector<ThreadCount> threads;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      threads.push_back(groups_[i].difference(ends[i], member));
    }
    CounterValue& value = values[slots_[member]];
    value = combine(value.name, threads);
  }
  return values;
}

}  // namespace tern::energy
