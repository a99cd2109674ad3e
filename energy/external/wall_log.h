#pragma once
// The log that another machine kept of a wall meter, as samples of power with that machine's time;
// and the energy of a window of this one, by a stated offset between the clocks. A window that the
// samples do not cover from end to end has no energy, only a reason.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "energy/energy_meter.h"
#include "energy/external/parsed.h"
#include "energy/external/trace.h"

namespace tern::energy {

struct WallSample {
  std::int64_t time_ns = 0;  // since 1970, by the log's clock; dates are read as UTC
  double power_w = 0;
};

struct WallLog {
  std::vector<WallSample> samples;  // in time order
  double interval_s = 0;            // between samples: the median; 0 for fewer than two
  int meter_errors = 0;             // lines in which the log says that the meter failed
};

// Lines of PTDaemon, "Time,MM-DD-YYYY HH:MM:SS.mmm,Watts,22.97,…" (or DD-MM-YYYY where a day above
// 12 says so, in the whole file), or a table below "unix_s,watts". Empty lines and those that start
// with # are skipped. Fewer than two samples are no log.
Parsed<WallLog> parse_wall_log(std::string_view text);

// The same of a log that is being written: what follows its last line break is left for later, and
// there need be no sample yet.
Parsed<WallLog> parse_wall_log_so_far(std::string_view text);

// Samples further apart than this leave a hole: two may be lost in a row.
double longest_gap_s(const WallLog& log) noexcept;

// Joules between two moments of this machine's clock (ns since 1970). offset_s is what to add to
// the log's time to get this machine's. Power between samples is linear (energy.md section 1.5).
EnergyDelta energy_between(const WallLog& log, std::int64_t begin_ns, std::int64_t end_ns,
                           double offset_s);

// The whole log as the counter that the samples add up to; a hole is a reading that failed.
Trace to_trace(const WallLog& log);

}  // namespace tern::energy
