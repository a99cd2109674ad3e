#pragma once
// Encoded kernel events counted for a set of threads: one group per thread, values summed. The
// layer below PerfCounters, which chooses the events; any event of any PMU works here, software
// events included.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "energy/perf_counters.h"
#include "energy/perf_permission.h"

namespace tern::energy {

// type and config as in perf_event_attr.
struct PerfEvent {
  std::string name;
  std::string event;
  std::uint32_t type = 0;
  std::uint64_t config = 0;
  std::uint64_t config1 = 0;
  std::uint64_t config2 = 0;
  std::string why_not;  // could not be encoded; reported, never opened
};

struct OpenFailure {
  std::string why;
  std::string remedy;
};

// What an errno of perf_event_open means and what helps.
OpenFailure explain_open_failure(int error, const std::string& event, const PerfRules& rules);

// One event in one thread over one window; enabled and running in nanoseconds of the thread's own
// time.
struct ThreadCount {
  std::uint64_t value = 0;
  std::uint64_t enabled = 0;
  std::uint64_t running = 0;
  int error = 0;  // errno of the read; ENODATA when the kernel gave none
};

// The sum over threads, each scaled by its own enabled / running. A thread that did not run adds
// nothing; a thread that ran uncounted leaves no answer.
CounterValue combine(const std::string& name, std::span<const ThreadCount> threads);

class PerfGroups {
 public:
  // User mode only. Every event is first tried alone on the calling thread, where it must move;
  // then it must open on every thread. Otherwise it is absent with its reason.
  PerfGroups(std::vector<PerfEvent> events, std::span<const int> thread_ids);
  ~PerfGroups();
  PerfGroups(const PerfGroups&) = delete;
  PerfGroups& operator=(const PerfGroups&) = delete;

  std::span<const CounterInfo> counters() const noexcept { return counters_; }
  void start();
  std::vector<CounterValue> stop();

 private:
  struct Group;
  void open_everywhere(const PerfEvent& event, CounterInfo& info);

  std::vector<CounterInfo> counters_;
  std::vector<std::size_t> slots_;  // counters_ index of each member of a group, in group order
  std::vector<Group> groups_;       // one per thread
};

}  // namespace tern::energy
