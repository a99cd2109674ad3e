#pragma once
// The energy and power sensors of hwmon chips as one EnergySource, or the reason why there is none.
// Which sensors make its total is decided by hwmon_policy. It changes nothing on the machine.

#include <functional>
#include <string>

#include "energy/energy_source.h"

namespace tern::energy {

struct HwmonOptions {
  std::string sysroot = "/";
  // The kernel's own tree: a counter must move, and a power not be 0 W, before it is believed. A
  // copy of a tree is written at its author's pace, so there only the window itself judges.
  bool live = true;
  // Between two looks at whether the counters move; the default sleeps 5 ms. Tests move the
  // counters here.
  std::function<void()> pause;
};

Probe probe_hwmon(const HwmonOptions& options);

}  // namespace tern::energy
