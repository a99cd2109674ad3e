#pragma once
// The file that another program logs a meter to while this one runs, merged into each window by
// clock. A wall meter's log has the time of day, of a clock that a stated offset sets right; a
// trace has CLOCK_MONOTONIC_RAW of this machine. It has no joules for a window that the file does
// not cover, and none where the file is wrong anywhere.

#include <functional>

#include "energy/external/meter_spec.h"
#include "energy/meter_log.h"

namespace tern::energy {

struct LogOptions {
  int looks = 0;  // at a file that does not grow, before giving up; 0: by its interval
  std::function<void()> pause;  // between two of them; sleeps 100 ms unless given
};

// spec: of kind kTrace or kPtdaemon. Refuses a file that is not there, not plain, or wrong so far;
// one without samples may have just been begun.
Probe open_log_file(const MeterSpec& spec, LogOptions options = {});

}  // namespace tern::energy
