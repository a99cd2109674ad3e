#pragma once
// What the sensors of known chips cover, by chip name and label, and which of them make a total in
// which nothing counts twice: rails are nested (energy.md section 1.9), so only the top one of each
// socket is in it, and every other one has its reason. A label that no rule knows is never guessed.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "energy/hwmon_sensors.h"

namespace tern::energy {

// Preferred first, when a machine has several.
enum class SensorFamily : std::uint8_t {
  kAcpiMeter,  // "power_meter": NVIDIA Grace, by power1_oem_info
  kAmdEnergy,  // "amd_energy": counters of sockets and cores
  kXgene,      // "apm_xgene": Ampere's processors and their forebears
  kScmi,       // "scmi_sensors": whatever the firmware exports
  kAltra,      // "altra_hwmon": a counter for each core
  kIna,        // "ina226", "ina3221", …: rails of a board
  kUnknown,
};

// What contains what: a higher level contains the lower ones of its socket.
enum class SensorLevel : std::uint8_t { kNone, kCores, kCpu, kSocket, kBoard };

struct SensorMeaning {
  SensorFamily family = SensorFamily::kUnknown;
  SensorLevel level = SensorLevel::kNone;   // kNone: never in a total, see why
  int socket = 0;                           // kBoard of a one-socket board: 0
  std::string part;                         // sensors of one level, socket and part are one thing
  SensorLevel inside = SensorLevel::kNone;  // the lowest level that contains it
  std::string why;                          // for kNone: a clause
  bool worth_reading = true;                // false: listed, not read
};

SensorMeaning meaning_of(const HwmonSensor& sensor);

struct SensorChoice {
  std::vector<std::string> why_excluded;  // by sensor; "" is in the total
  std::string coverage;                   // "" when nothing is in it
  bool any() const noexcept { return !coverage.empty(); }
};

// packages: of the machine, 0 when unknown. Sensors with a defect are out, and what they would have
// contained may count instead; the coverage says which.
SensorChoice choose_total(const std::vector<HwmonSensor>& sensors,
                          const std::vector<SensorMeaning>& meanings, std::size_t packages);

// "ina3221/VDD_IN"; the channel where there is no label.
std::string sensor_name(const HwmonSensor& sensor);

}  // namespace tern::energy
