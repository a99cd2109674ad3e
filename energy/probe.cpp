#include <array>
#include <utility>

#include "energy/battery_source.h"
#include "energy/cross_check.h"
#include "energy/energy_meter.h"
#include "energy/energy_source.h"
#include "energy/hwmon_source.h"
#include "energy/perf_power_source.h"
#include "energy/pmic_source.h"
#include "energy/powercap_source.h"
#include "energy/scmi_powercap_source.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

bool is_live(const std::string& sysroot) { return under_root(sysroot, "") == "/"; }

Probe perf_power(const std::string& sysroot) {
  return probe_perf_power({.sysroot = sysroot, .live = is_live(sysroot), .pause = {}});
}

Probe powercap(const std::string& sysroot) {
  return probe_powercap({.sysroot = sysroot, .live = is_live(sysroot), .pause = {}});
}

Probe hwmon(const std::string& sysroot) {
  return probe_hwmon({.sysroot = sysroot, .live = is_live(sysroot), .pause = {}});
}

Probe pmic(const std::string& sysroot) {
  return probe_pmic({.sysroot = sysroot, .live = is_live(sysroot), .program = ""});
}

// Every meter of this build, preferred first; a new one is a file of its own and a line here.
constexpr std::array<Probe (*)(const std::string&), 6> kProbes = {
    perf_power, powercap, hwmon, probe_scmi_powercap, pmic, probe_battery};

}  // namespace

std::vector<Probe> probe_all(const std::string& sysroot) {
  std::vector<Probe> probes;
  for (const auto probe : kProbes) probes.push_back(probe(sysroot));
  cross_check(probes);
  return probes;
}

std::unique_ptr<EnergyMeter> open_meter(const std::string& sysroot) {
  std::string reasons;
  for (Probe& probe : probe_all(sysroot)) {
    if (probe.source) {
      return std::make_unique<EnergyMeter>(std::move(probe.source),
                                           probe.disagrees ? std::move(probe.cross_check) : "");
    }
    reasons += (reasons.empty() ? "" : "; ") + probe.name + ": " + probe.why_not;
  }
  return std::make_unique<EnergyMeter>(std::move(reasons));
}

}  // namespace tern::energy
