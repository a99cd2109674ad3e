#pragma once
// The power of the rails that Raspberry Pi 5's power management chip measures, asked of the
// firmware through `vcgencmd pmic_read_adc`, or the reason why there is none. The sum of volts
// times amperes and nothing more: no model of what the chip does not see (USB, fan, losses).

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "energy/energy_source.h"

namespace tern::energy {

struct PmicReading {
  std::vector<std::string> rails;  // with both a voltage and a current, sorted by name
  double power_w = 0;              // their sum; meaningful only when why is empty
  std::string why;                 // what is wrong with the text
};

// The text of pmic_read_adc, by the names in it, in any order: "VDD_CORE_A current(7)=1.2A" and
// "VDD_CORE_V volt(15)=0.72V". Voltages without a current (EXT5V, BATT) are no rails.
PmicReading parse_pmic(std::string_view text);

struct PmicOptions {
  std::string sysroot = "/";
  // A copied tree has no firmware to ask, and no program of a copied tree is ever run.
  bool live = true;
  std::string program;  // the path of vcgencmd; "" looks in its usual places
  std::chrono::milliseconds limit{1000};
};

Probe probe_pmic(const PmicOptions& options);

}  // namespace tern::energy
