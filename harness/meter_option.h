#pragma once
// The meter of a run: the best one of this machine, or the one outside it that --meter names. A log
// that is written meanwhile is merged by clock; one that is over covers no window of the run.

#include <memory>
#include <string>

#include "energy/energy_meter.h"

namespace tern::harness {

inline constexpr const char* kMeterHelp =
    "A meter outside the machine: shelly:URL, tasmota:URL, redfish:URL or ipmi; or what another "
    "program logs meanwhile: ptdaemon:FILE[@±SECONDS] (what to add to its clock to get UTC) or "
    "trace:FILE [the best one here]";

// spec: "" for the machine's own under sysroot; otherwise as energy/external/meter_spec.h has it.
// Throws Error for a spec that is none; a meter that cannot be used is one on nothing, with its
// reason.
std::unique_ptr<energy::EnergyMeter> open_run_meter(const std::string& spec,
                                                    const std::string& sysroot = "/");

// The same for a run that is no use without energy: where `required` and unusable, an Error with
// exit code 6.
std::unique_ptr<energy::EnergyMeter> open_run_meter_or_fail(const std::string& spec, bool required);

}  // namespace tern::harness
