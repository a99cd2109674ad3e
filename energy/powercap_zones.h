#pragma once
// The RAPL zones of a powercap tree as metered domains: found by directory pattern, told apart by
// their `name` file and never by index, each with its range, its ceiling, and whether it belongs in
// the total.

#include <string>
#include <vector>

#include "energy/energy_source.h"

namespace tern::energy {

struct PowercapZone {
  Domain domain;  // package and die are the zone's or its parent's, as far as their names say
  std::string energy_path;
};

struct ZoneListing {
  int error = 0;  // errno of opening the directory
  std::vector<PowercapZone> zones;
};

// All of intel-rapl:N(:M), intel-rapl-tpmi:N(:M) and intel-rapl-mmio:N(:M) under directory, in that
// order. A zone that cannot be measured is listed with its reason.
ZoneListing list_powercap_zones(const std::string& directory);

// The counter restarts after 2^32 units, and the kernel publishes (2^32 - 1) units, truncated, as
// max_energy_range_uj (energy.md section 1.1): one unit is added back.
std::uint64_t modulus_of_range(std::uint64_t max_energy_range_uj) noexcept;

// The kernel converts with a unit cut to whole nanojoules: 2^-16 J becomes 15258 nJ, and every
// joule of an AMD package 0.99995 J. The range tells which unit was cut (energy.md section 1.1), so
// what a count is worth can be put right. Exactly 1e-6 for units that were never cut (15.3 uJ of
// server memory, 1 J of some psys) or that the range does not identify.
double joules_per_microjoule_count(std::uint64_t max_energy_range_uj) noexcept;

}  // namespace tern::energy
