#pragma once
// What libpfm4 knows: the core PMU of this CPU, and the encoding of an event by name. It opens
// nothing: on a virtual machine libpfm4 names a PMU that perf_event_open then refuses.

#include <string>

#include "energy/perf_group.h"

namespace tern::energy {

// libpfm4's name of the core PMU it detects ("spr", "amd64_fam19h_zen4", "arm_v2"); empty when it
// knows none here.
std::string detected_core_pmu();

// event: libpfm4's spelling with its PMU ("spr::LONGEST_LAT_CACHE:MISS"), or the kernel's generic
// name ("PERF_COUNT_HW_CPU_CYCLES"). An event that cannot be encoded has why_not.
PerfEvent encode_event(const std::string& name, const std::string& event);

}  // namespace tern::energy
