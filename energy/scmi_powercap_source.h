#pragma once
// Power that an ARM system's firmware reports through SCMI powercap (arm-scmi:N zones with
// power_uw, averaged by the firmware, no energy counter) as an EnergySource, or the reason why
// there is none. Only the zones at the top count: each contains those below it.

#include <string>

#include "energy/energy_source.h"

namespace tern::energy {

Probe probe_scmi_powercap(const std::string& sysroot);

}  // namespace tern::energy
