#pragma once
// The energy and power sensors of a hwmon (or iio) tree as the kernel publishes them: by the chip's
// `name` and the sensor's label, never by the number of hwmonX, which changes at boot. No judgement
// of what a sensor covers: that is hwmon_policy.

#include <string>
#include <vector>

#include "energy/energy_source.h"

namespace tern::energy {

struct HwmonSensor {
  std::string chip;     // what the driver calls itself: "ina3221", "power_meter"
  int instance = 0;     // among the chips of this name, ordered by device
  std::string device;   // the device behind the chip, "1-0040"; "" where the tree does not say
  std::string channel;  // "energy1", "power1", "in1"
  std::string label;    // "" where there is none
  Quantity quantity = Quantity::kEnergy;
  std::string path;
  std::string times_path;  // the current that belongs to a voltage, else ""
  int unit_uw = 1;         // of power: microwatts in one count of the file
  double averaging_s = 0;  // as the chip says; 0: it does not
  std::string defect;      // why it cannot be read, as far as the tree tells: "disabled (…)"
  std::string remedy;
};

struct HwmonListing {
  int error = 0;  // errno of opening the directory
  std::vector<HwmonSensor> sensors;
};

// Sensors in the order of chip name, device and channel. Text from the tree is cut to 64 printable
// ASCII characters, because it ends in records.
HwmonListing list_hwmon_sensors(const std::string& directory);

// The rails that NVIDIA's driver ina3221x of JetPack 4 publishes under iio instead, in the same
// order: in_powerN_input in milliwatts, named by rail_name_N (energy.md section 1.5). Other devices
// of iio measure no power that a rule could place.
HwmonListing list_iio_sensors(const std::string& directory);

}  // namespace tern::energy
