#include "harness/meter_option.h"

#include <utility>

#include "energy/external/log_file.h"
#include "energy/external/open_external.h"
#include "harness/error.h"

namespace tern::harness {

std::unique_ptr<energy::EnergyMeter> open_run_meter(const std::string& spec,
                                                    const std::string& sysroot) {
  if (spec.empty()) return energy::open_meter(sysroot);
  const energy::Parsed<energy::MeterSpec> parsed = energy::parse_meter_spec(spec);
  if (!parsed) throw Error("--meter: " + parsed.error);
  const bool is_log =
      parsed->kind == energy::MeterKind::kTrace || parsed->kind == energy::MeterKind::kPtdaemon;
  energy::Probe probe = is_log ? energy::open_log_file(*parsed) : energy::open_external(*parsed);
  if (!probe.source) {
    return std::make_unique<energy::EnergyMeter>(probe.name + ": " + probe.why_not);
  }
  return std::make_unique<energy::EnergyMeter>(std::move(probe.source));
}

std::unique_ptr<energy::EnergyMeter> open_run_meter_or_fail(const std::string& spec,
                                                            bool required) {
  std::unique_ptr<energy::EnergyMeter> meter = open_run_meter(spec);
  if (required && !meter->usable()) {
    meter->start();
    throw Error("--require-energy: energy cannot be measured here: " + meter->stop().why, 6);
  }
  return meter;
}

}  // namespace tern::harness
