#pragma once
// Opens what a MeterSpec names: a plug, a BMC, ipmitool or a stored log, as a Probe like any other
// meter's. What is not there, not allowed or not understood is a reason with a remedy.

#include <string>

#include "energy/energy_source.h"
#include "energy/external/meter_spec.h"

namespace tern::energy {

// For tests; 0 means each kind's own.
struct ExternalOptions {
  double period_s = 0;
  double retry_s = 0;
  double answer_s = 0;
  double stale_s = 0;
  std::string ipmitool = "ipmitool";
};

// Redfish takes its user and password from TERN_REDFISH_USER and TERN_REDFISH_PASSWORD, and a file
// of certificates to trust from TERN_REDFISH_CA. The source of a trace or a log replays it whole:
// a log that is written while a run goes on is opened by log_file.h.
Probe open_external(const MeterSpec& spec, const ExternalOptions& options = {});

}  // namespace tern::energy
