#include "energy/sensor_reader.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "energy/stamp.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

// A reader thread may be late on a machine whose every core works; what happened in between is
// taken for straight, so the allowance is small.
constexpr double kLatePolls = 10;
constexpr double kShortestGap_s = 1;
constexpr double kSlowestPoll_s = 1;
// Below twenty averaging times the edges alone are off by 2 % (0.408 / 20), as much as the gain of
// a good rail monitor; fewer than eight samples are no integral.
constexpr double kLeastAverages = 20;
constexpr double kLeastPolls = 8;

}  // namespace

SensorReader::SensorReader(const std::string& path, const std::string& times_path, int unit)
    : path_(path), times_path_(times_path), unit_(unit), file_(path) {
  if (!times_path.empty()) times_.emplace(times_path);
}

int SensorReader::open_error() const noexcept {
  if (file_.open_error() != 0) return file_.open_error();
  return times_ ? times_->open_error() : 0;
}

int SensorReader::read(std::uint64_t& raw) const noexcept {
  std::int64_t value = 0;
  if (const int error = file_.read(value); error != 0) return error;
  if (times_) {
    std::int64_t factor = 0;
    if (const int error = times_->read(factor); error != 0) return error;
    if (__builtin_mul_overflow(value, factor, &value)) return ERANGE;
  }
  if (__builtin_mul_overflow(value, std::int64_t{unit_}, &value)) return ERANGE;
  if (value < 0) return ERANGE;
  raw = static_cast<std::uint64_t>(value);
  return 0;
}

Reading SensorReader::read() const noexcept {
  Reading reading;
  const Stamp stamp;
  reading.error = open_error();
  if (reading.error == 0) reading.error = read(reading.raw);
  reading.time_ns = stamp.midpoint_ns();
  return reading;
}

std::string SensorReader::defect() const {
  const int error = read().error;
  const std::string both = times_path_.empty() ? path_ : path_ + " and " + times_path_;
  if (error == 0) return "";
  if (error == EBADMSG) return both + ": expected one whole number and a newline";
  if (error == ERANGE) return both + ": the value is negative or too large";
  return "cannot read " + both + " (" + error_text(error) + ")";
}

SensorSource::SensorSource(SourceInfo info, std::vector<SensorReader> readers)
    : info_(std::move(info)), readers_(std::move(readers)) {}

void SensorSource::read(std::span<Reading> readings) noexcept {
  for (std::size_t i = 0; i < readings.size() && i < readers_.size(); ++i) {
    if (info_.domains[i].measurable) {
      readings[i] = readers_[i].read();
    } else {
      readings[i] = {0, clock_ns(CLOCK_MONOTONIC_RAW), ENODATA};
    }
  }
}

void pace_power(Domain& domain, double averaging_s, double fastest_s) noexcept {
  domain.quantity = Quantity::kPower;
  domain.averaging_s = averaging_s;
  domain.longest_poll_s = std::clamp(averaging_s, fastest_s, std::max(fastest_s, kSlowestPoll_s));
  domain.longest_gap_s = std::max(kLatePolls * domain.longest_poll_s, kShortestGap_s);
  domain.update_s = std::max(averaging_s, domain.longest_poll_s);
  domain.min_window_s = std::max(kLeastAverages * averaging_s, kLeastPolls * domain.longest_poll_s);
}

}  // namespace tern::energy
