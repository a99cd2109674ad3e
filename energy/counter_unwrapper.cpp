#include "energy/counter_unwrapper.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

// How far the plausibility ceiling may be exceeded over one step, for jitter in the stamps.
constexpr double kPowerMargin = 1.05;
constexpr double kLongestPoll_s = 10;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string read_failure(int error) {
  if (error == EBADMSG) return "a reading was not one whole number and a newline";
  return "a reading failed: " + error_text(error);
}

}  // namespace

CounterUnwrapper::CounterUnwrapper(const Domain& domain)
    : joules_per_count_(domain.joules_per_count),
      modulus_(domain.modulus),
      max_power_w_(domain.max_power_w),
      late_s_(domain.update_s + domain.late_s),
      max_silence_s_(domain.max_silence_s),
      safe_joules_(domain.safe_joules) {}

void CounterUnwrapper::refuse(Fault fault, std::string why) {
  fault_ = fault;
  why_ = std::move(why);
}

void CounterUnwrapper::feed(const Reading& reading) {
  if (fault_ != Fault::kNone) return;
  if (reading.error != 0) return refuse(Fault::kReadError, read_failure(reading.error));
  if (modulus_ != 0 && reading.raw >= modulus_) {
    return refuse(Fault::kImplausible, "the counter reads " + std::to_string(reading.raw) +
                                           ", beyond its range of " + std::to_string(modulus_));
  }
  if (!started_) {
    started_ = true;
    previous_ = reading;
    moved_ns_ = reading.time_ns;
    return;
  }
  if (reading.time_ns <= previous_.time_ns) {
    return refuse(Fault::kTimeBack, "two readings are not in time order");
  }
  advance(reading, static_cast<double>(reading.time_ns - previous_.time_ns) * 1e-9);
}

void CounterUnwrapper::advance(const Reading& reading, double elapsed_s) {
  const bool fell = reading.raw < previous_.raw;
  if (fell && modulus_ == 0) return refuse(Fault::kReset, "the counter went back");
  const std::uint64_t step =
      fell ? modulus_ - previous_.raw + reading.raw : reading.raw - previous_.raw;
  const double joules = static_cast<double>(step) * joules_per_count_;
  // The most that can truthfully appear: full power for the step, one late update, one unit of
  // rounding.
  const double room = max_power_w_ * (elapsed_s * kPowerMargin + late_s_) + joules_per_count_;
  if (joules > room) {
    if (fell) {
      return refuse(Fault::kReset, "the counter fell without a wrap (it was reset)");
    }
    return refuse(Fault::kImplausible, "the counter rose by " + number(joules) + " J in " +
                                           number(elapsed_s) + " s, and the domain's ceiling is " +
                                           number(max_power_w_) + " W");
  }
  if (modulus_ != 0 && room >= static_cast<double>(modulus_) * joules_per_count_) {
    return refuse(Fault::kAmbiguousWrap,
                  number(elapsed_s) + " s between two readings could hide a whole wrap");
  }
  if (safe_joules_ > 0 && room >= 2 * safe_joules_) {
    return refuse(Fault::kAmbiguousWrap, number(elapsed_s) +
                                             " s between two readings are more than the kernel's "
                                             "own sum may bear (it loses count beyond " +
                                             number(2 * safe_joules_) + " J)");
  }
  if (step != 0) moved_ns_ = reading.time_ns;
  const double silence_s = static_cast<double>(reading.time_ns - moved_ns_) * 1e-9;
  if (silence_s > max_silence_s_) {
    return refuse(Fault::kStuck, "the counter did not move for " + number(silence_s) + " s");
  }
  wraps_ += fell ? 1 : 0;
  counts_ += step;
  previous_ = reading;
}

double safe_poll_s(const Domain& domain) noexcept {
  double period_s = kLongestPoll_s;
  if (domain.max_power_w <= 0) return period_s;
  const double half_range_j = 0.5 * static_cast<double>(domain.modulus) * domain.joules_per_count;
  for (const double energy_j : {half_range_j, domain.safe_joules}) {
    if (energy_j > 0) period_s = std::min(period_s, energy_j / domain.max_power_w);
  }
  return period_s;
}

}  // namespace tern::energy
