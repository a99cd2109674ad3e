#pragma once
// The RAPL zones of a powercap tree as metered domains: found by directory pattern, told apart by
// their `name` file and never by index, each with its range, its ceiling, and whether it belongs in
// the total.

#include <string>
#include <vector>

#include "energy/energy_source.h"

namespace tern::energy {

struct PowercapZone {
  Domain domain;
  std::string energy_path;
  int package = -1;  // of the zone or of its parent; -1: neither is a package
  int die = -1;      // where the zone's name says one
};

struct ZoneListing {
  int error = 0;  // errno of opening the directory
  std::vector<PowercapZone> zones;
};

// All of intel-rapl:N, intel-rapl:N:M and intel-rapl-mmio:N(:M) under directory, in that order. A
// zone that cannot be measured is listed with its reason.
ZoneListing list_powercap_zones(const std::string& directory);

// The counter restarts after 2^32 units, and the kernel publishes (2^32 - 1) units, truncated, as
// max_energy_range_uj (energy.md section 1.1): one unit is added back.
std::uint64_t modulus_of_range(std::uint64_t max_energy_range_uj) noexcept;

}  // namespace tern::energy
