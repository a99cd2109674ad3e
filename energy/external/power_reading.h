#pragma once
// What a wall plug, a BMC or ipmitool answers, as watts and watt-hours. Only that: no request, no
// clock. A number out of range, a list where one number belongs or an error page is a reason.

#include <optional>
#include <string_view>

#include "energy/external/parsed.h"

namespace tern::energy {

// At least one of the two is there.
struct PowerReading {
  std::optional<double> power_w;
  std::optional<double> counter_wh;  // the meter's own sum, since some time of its choosing
};

// A socket of 16 A at 250 V, and a node with many accelerators; more is no reading.
inline constexpr double kMaxPlug_w = 4000;
inline constexpr double kMaxNode_w = 20'000;
inline constexpr double kMaxCounter_wh = 1e8;

// Shelly's second generation, Switch.GetStatus: apower (W) and aenergy.total (Wh).
Parsed<PowerReading> parse_shelly(std::string_view body);

// Tasmota, Status 10: StatusSNS.ENERGY.Power (W) and .Total (kWh).
Parsed<PowerReading> parse_tasmota(std::string_view body);

// Redfish, Chassis/<id>/Power: PowerControl[0].PowerConsumedWatts.
Parsed<PowerReading> parse_redfish(std::string_view body);

// `ipmitool dcmi power reading`: "Instantaneous power reading: 220 Watts".
Parsed<PowerReading> parse_dcmi(std::string_view text);

}  // namespace tern::energy
