#include "energy/power_integrator.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <utility>

#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string read_failure(int error, const std::string& no_data) {
  if (error == EBADMSG) return "a reading was not what this sensor gives";
  if (error == ERANGE) return "the sensor gave a negative or impossibly large power";
  if (error == ENODATA && !no_data.empty()) return no_data;
  return "a reading failed: " + error_text(error);
}

}  // namespace

PowerIntegrator::PowerIntegrator(const Domain& domain)
    : max_power_w_(domain.max_power_w),
      longest_gap_s_(domain.longest_gap_s),
      averaging_s_(domain.averaging_s),
      no_data_(domain.no_data) {}

void PowerIntegrator::refuse(Fault fault, std::string why) {
  fault_ = fault;
  why_ = std::move(why);
}

void PowerIntegrator::feed(const Reading& reading) {
  if (fault_ != Fault::kNone) return;
  if (reading.error != 0) {
    return refuse(Fault::kReadError, read_failure(reading.error, no_data_));
  }
  const double power_w = static_cast<double>(reading.raw) * 1e-6;
  if (power_w > max_power_w_) {
    return refuse(Fault::kImplausible, "the sensor read " + number(power_w) +
                                           " W, and the domain's ceiling is " +
                                           number(max_power_w_) + " W");
  }
  if (started_) {
    advance(reading, power_w);
    if (fault_ != Fault::kNone) return;
  }
  started_ = true;
  previous_ns_ = reading.time_ns;
  previous_w_ = power_w;
  peak_w_ = std::max(peak_w_, power_w);
}

void PowerIntegrator::advance(const Reading& reading, double power_w) {
  if (reading.time_ns <= previous_ns_) {
    return refuse(Fault::kTimeBack, "two readings are not in time order");
  }
  const double elapsed_s = static_cast<double>(reading.time_ns - previous_ns_) * 1e-9;
  if (elapsed_s > longest_gap_s_) {
    return refuse(Fault::kGap, "there was no reading of power for " + number(elapsed_s) +
                                   " s, and at most " + number(longest_gap_s_) +
                                   " s can be bridged");
  }
  joules_ += 0.5 * (previous_w_ + power_w) * elapsed_s;
  const double step_j = (power_w - previous_w_) * elapsed_s;
  sampling_variance_ += step_j * step_j / 12;
}

double PowerIntegrator::u_joules() const noexcept {
  const double edges_j = peak_w_ * averaging_s_ / std::sqrt(6.0);
  return std::sqrt(edges_j * edges_j + sampling_variance_);
}

}  // namespace tern::energy
