#pragma once
// What a stored log says of a window that lies somewhere in it. A window that is not covered from
// end to end, or that begins or ends in a hole, has no energy, only a reason.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "energy/energy_meter.h"
#include "energy/external/trace.h"

namespace tern::energy {

// Two samples may be lost in a row: further apart than so many usual intervals is a hole.
inline constexpr double kLongestGaps = 3.5;

// Up to and with the last line break: what a file that is being written holds for certain.
std::string_view complete_lines(std::string_view text) noexcept;

// The median distance of successive times, in seconds; 0 for fewer than two.
double median_interval_s(std::span<const std::int64_t> times_ns);

// Why [begin_ns, end_ns] does not lie within [first_ns, last_ns], as a clause: "the window begins
// 2.5 s before the log's first sample". Empty when it does.
std::string uncovered(std::int64_t first_ns, std::int64_t last_ns, std::int64_t begin_ns,
                      std::int64_t end_ns);

// A window of the source without joules, for that reason.
EnergyDelta no_energy(const SourceInfo& info, double window_s, const std::string& why);

// Joules between two moments of the trace's own clock. A counter is taken to rise evenly between
// the readings around an end, so that the end is as unsure as they are far apart (edge_s). All
// other arithmetic, and every doubt, is that of a meter (window.h).
EnergyDelta energy_between(const Trace& trace, std::int64_t begin_ns, std::int64_t end_ns);

}  // namespace tern::energy
