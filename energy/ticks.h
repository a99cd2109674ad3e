#pragma once
// A counter that moves in steps can be read right after a step: then the time of the reading is the
// time of its value, and the error of a window's edge shrinks from one update to one reading
// (energy.md section 3.3). It refuses steps that it did not see happen: whoever was interrupted
// between two readings waits for the next.

#include <optional>
#include <span>

#include "energy/energy_source.h"

namespace tern::energy {

// Counters slower than this are not waited for.
constexpr double kSlowestTick_s = 0.01;

// Watches a hundred moves of a domain that should move every expected_s, for at most five times as
// long as they should take: the median time between two, in seconds. Nothing for a counter that
// fails, is slower than kSlowestTick_s, or moves at every look, which has no steps to wait for.
std::optional<double> measure_tick_s(EnergySource& source, std::size_t domain, double expected_s);

// Looks at the listed domains until each has been seen to move, and leaves the reading of each that
// saw it. Returns the longest time, in seconds, between such a reading and the one before it: how
// sharp the edges are. Nothing if one did not move within twenty updates; readings then hold what
// was last seen.
std::optional<double> wait_for_moves(EnergySource& source, std::span<const std::size_t> domains,
                                     double update_s, std::span<Reading> readings);

}  // namespace tern::energy
