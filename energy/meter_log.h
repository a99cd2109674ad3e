#pragma once
// A meter that another program reads and logs while this one runs. Nothing is read at the ends of a
// window: they are moments of this machine's clocks, and the log is asked what lies between them. A
// machine that slept meanwhile, or whose wall clock was set, spoils the window.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "energy/energy_meter.h"
#include "energy/energy_source.h"

namespace tern::energy {

// One moment by three clocks.
struct Moment {
  std::int64_t raw_ns = 0;     // CLOCK_MONOTONIC_RAW
  std::int64_t unix_ns = 0;    // CLOCK_REALTIME
  std::int64_t asleep_ns = 0;  // how long the machine has been suspended since it booted
};
Moment moment_now() noexcept;

// Why time cannot be told apart between two moments, as a clause; empty where it can. The wall
// clock may be slewed by 500 ppm, the most that Linux does (adjtimex(2), MAXFREQ); more was a step.
std::string suspended_between(const Moment& begin, const Moment& end);
std::string wall_clock_set_between(const Moment& begin, const Moment& end);

// A source that cannot be read at a moment: an EnergyMeter on it asks for whole windows instead.
class MeterLog : public EnergySource {
 public:
  // Joules between two moments that are over. Waits a bounded time for a log that has not come so
  // far. Does not throw; whatever is wrong with the log is the reason why nothing was measured.
  // Afterwards update_s of info().domains is the log's interval.
  virtual EnergyDelta between(const Moment& begin, const Moment& end) = 0;

  void read(std::span<Reading> readings) noexcept final;  // ENODATA
  std::optional<std::size_t> stored() const noexcept final { return 0; }
};

}  // namespace tern::energy
