#include "energy/meter_log.h"

#include <time.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <limits>

#include "energy/stamp.h"

namespace tern::energy {
namespace {

// Clocks read one after the other differ by less, and no machine sleeps and wakes as fast.
constexpr double kJitter_s = 0.01;
constexpr double kLargestSlew = 500e-6;

double seconds(std::int64_t from_ns, std::int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) * 1e-9;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

}  // namespace

// Whoever is interrupted between the clocks reads them too far apart: the closest of a few counts.
Moment moment_now() noexcept {
  constexpr int kTries = 5;
  Moment best;
  std::int64_t closest_ns = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < kTries; ++i) {
    const std::int64_t before_ns = clock_ns(CLOCK_MONOTONIC_RAW);
    const std::int64_t unix_ns = clock_ns(CLOCK_REALTIME);
    const std::int64_t awake_ns = clock_ns(CLOCK_MONOTONIC);
    const std::int64_t asleep_ns = clock_ns(CLOCK_BOOTTIME) - awake_ns;
    const std::int64_t apart_ns = clock_ns(CLOCK_MONOTONIC_RAW) - before_ns;
    if (apart_ns >= closest_ns) continue;
    closest_ns = apart_ns;
    best = {before_ns + apart_ns / 2, unix_ns, asleep_ns};
  }
  return best;
}

std::string suspended_between(const Moment& begin, const Moment& end) {
  const double asleep_s = seconds(begin.asleep_ns, end.asleep_ns);
  if (asleep_s <= kJitter_s) return "";
  return "the machine was suspended for " + number(asleep_s) + " s within the window";
}

std::string wall_clock_set_between(const Moment& begin, const Moment& end) {
  const double true_s = seconds(begin.raw_ns, end.raw_ns);
  const double step_s = seconds(begin.unix_ns, end.unix_ns) - true_s;
  if (std::fabs(step_s) <= kJitter_s + kLargestSlew * true_s) return "";
  return "the wall clock was set " + std::string(step_s < 0 ? "back" : "forward") + " by " +
         number(std::fabs(step_s)) + " s within the window";
}

void MeterLog::read(std::span<Reading> readings) noexcept {
  for (Reading& reading : readings) reading = {0, clock_ns(CLOCK_MONOTONIC_RAW), ENODATA};
}

}  // namespace tern::energy
