#pragma once
// What counts say together: instructions per cycle and the clock at which threads really ran. A
// figure exists only where all it needs was measured; one that rests on scaled counts says so.

#include <optional>
#include <span>
#include <vector>

#include "energy/perf_counters.h"

namespace tern::energy {

struct CounterFigures {
  std::optional<double> ipc;           // instructions / cycles, user mode
  std::optional<double> frequency_hz;  // cycles / the time the threads ran, kernel time included
  bool scaled = false;                 // some count was extrapolated: its running share was below 1
};

CounterFigures figures(std::span<const CounterValue> values);

// Each counter over several windows: counts and times added, the least running share kept. A
// counter that one window lacks is not measured, with that window's reason.
std::vector<CounterValue> sum(std::span<const std::vector<CounterValue>> windows);

// The counter of this name, or nullptr.
const CounterValue* find(std::span<const CounterValue> values, const char* name) noexcept;

}  // namespace tern::energy
