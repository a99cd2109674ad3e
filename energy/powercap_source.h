#pragma once
// RAPL through powercap sysfs: the zones of one tree as an EnergySource, or the reason why there is
// none. It opens every counter once and keeps it open; it changes nothing on the machine.

#include <functional>
#include <string>

#include "energy/energy_source.h"

namespace tern::energy {

struct PowercapOptions {
  std::string sysroot = "/";
  // The kernel's own tree: a counter must move before it is believed, and may not fall silent. A
  // copy of a tree (a test, a demonstration) is written at its author's pace, so there only the
  // window itself judges.
  bool live = true;
  // Between two looks at whether the counters move; the default sleeps 2 ms. Tests move the
  // counters here.
  std::function<void()> pause;
};

Probe probe_powercap(const PowercapOptions& options);

}  // namespace tern::energy
