#pragma once
// perf_event_open(2) for counting: one place where its attributes are filled in. Time enabled and
// time running come with every value, so that a count that ran only a part of the time shows.

#include <cstdint>

#include "energy/perf_group.h"

namespace tern::energy {

struct PerfTarget {
  int thread_id = -1;  // -1: whatever runs on `cpu`
  int cpu = -1;        // -1: wherever the thread runs
};

enum class PerfStart : std::uint8_t {
  kAtOnce,
  kWhenEnabled,
  kOnExec,  // of the process, whose children are counted too
};

struct PerfOptions {
  PerfStart start = PerfStart::kAtOnce;
  bool user_only =
      false;             // not the kernel, not a hypervisor; a PMU outside the cores knows neither
  bool grouped = false;  // values are read for the whole group, from its leader
  int leader = -1;       // descriptor of it; -1: this one leads
};

// A descriptor (closed on exec), or a negative errno value. Of the event only its numbers matter.
int open_perf_event(const PerfEvent& event, const PerfTarget& target, const PerfOptions& options);

}  // namespace tern::energy
