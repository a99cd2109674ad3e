#pragma once
// Hardware events of a command and of everything it starts: opened on the process that is about to
// exec, switched on by the exec itself and inherited by its descendants. Nothing of the parent is
// counted. An event that cannot be had, or that never moves, is absent with its reason.

#include <memory>
#include <vector>

#include "energy/perf_counters.h"
#include "energy/perf_group.h"

namespace tern::energy {

// The kernel's generic names for cycles, instructions, last-level cache misses and branch misses,
// which it maps to the CPU at hand (perf_event_open(2)).
std::vector<PerfEvent> command_events();

class ChildCounters {
 public:
  // User mode only. process_id: a child that has not called exec yet. Each event stands alone, so
  // that those which do not fit together are multiplexed (and marked) rather than lost.
  ChildCounters(const std::vector<PerfEvent>& events, int process_id);
  ~ChildCounters();
  ChildCounters(const ChildCounters&) = delete;
  ChildCounters& operator=(const ChildCounters&) = delete;

  // Of the whole command once it has been waited for; of descendants that still run, until now.
  std::vector<CounterValue> read() const;

 private:
  struct Counter;
  std::vector<Counter> counters_;
};

// What `count` of one event over the whole life of a command says: a hardware event that never
// moved is not believed, because an empty PMU of a virtual machine reads like that.
CounterValue judge_count(const std::string& name, const ThreadCount& count);

}  // namespace tern::energy
