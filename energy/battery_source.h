#pragma once
// The rate at which a laptop's batteries discharge, as an EnergySource, or the reason why there is
// none. On mains power the rate is not the machine's: then it refuses. Batteries of mice and
// keyboards are not the machine's either.

#include <string>

#include "energy/energy_source.h"

namespace tern::energy {

Probe probe_battery(const std::string& sysroot);

}  // namespace tern::energy
