#pragma once
// Two doors to one counter are read together once, over a short common window: if they disagree by
// more than a few per cent, one of them is wrong about a unit, a package or a wrap, and nobody can
// tell which. It is reported beside both; none is chosen in silence.

#include <functional>
#include <span>
#include <string>

#include "energy/energy_source.h"

namespace tern::energy {

struct CrossCheck {
  std::string text;  // "perf and powercap agree within 0.4 %"; empty: nothing to compare
  bool disagrees = false;
};

// Over the included domains that both have under one name. pause lets 200 ms pass unless given.
CrossCheck compare_sources(EnergySource& a, EnergySource& b,
                           const std::function<void()>& pause = {});

// Compares the live sources of `perf` and `powercap` among the probes, and notes the outcome in
// both.
void cross_check(std::span<Probe> probes, const std::function<void()>& pause = {});

// After cross_check: why `perf` and `powercap` were not compared; empty where they were.
std::string why_not_compared(std::span<const Probe> probes);

}  // namespace tern::energy
