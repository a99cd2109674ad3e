#pragma once
// Hardware events of a set of threads: one perf_event_open group per thread, events encoded by
// libpfm4. A counter exists only after a successful open and a reading that moves; otherwise it is
// absent with a reason. Scaled (multiplexed) counts are marked.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "energy/counter_events.h"

namespace tern::energy {

struct CounterInfo {
  std::string name;  // portable: "cycles", "llc_misses" (counter_events.h)
  bool usable = false;
  std::string event;    // what libpfm4 or the kernel calls it here; empty where it has no event
  std::string why_not;  // when not usable
  std::string remedy;
};

struct CounterValue {
  std::string name;
  bool measured = false;
  double value = 0;          // scaled by enabled / running
  double running_share = 0;  // running / enabled; below 1 the value was extrapolated
  std::string why;           // when not measured
  double time_s = 0;         // the threads' own time in the window, summed: what they ran
};

class PerfCounters {
 public:
  // Opens one group of events for these kernel thread ids. Never throws for a missing PMU: see
  // counters().
  explicit PerfCounters(std::span<const int> thread_ids, CounterSet set = CounterSet::kDefault);
  ~PerfCounters();
  PerfCounters(const PerfCounters&) = delete;
  PerfCounters& operator=(const PerfCounters&) = delete;

  std::span<const CounterInfo> counters() const noexcept;
  void start();
  std::vector<CounterValue> stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tern::energy
