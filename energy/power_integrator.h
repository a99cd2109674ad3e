#pragma once
// Energy from successive readings of a sensor of power: the trapezoid over readings, with what the
// sampling and the sensor's own averaging leave unknown. Pure arithmetic: no clock, no I/O. A gap
// (a failed or late reading) is refused for good with its reason, never bridged.

#include <cstdint>
#include <string>

#include "energy/counter_unwrapper.h"
#include "energy/energy_source.h"

namespace tern::energy {

class PowerIntegrator {
 public:
  explicit PowerIntegrator(const Domain& domain);

  // Readings in time order, raw in microwatts; the first only opens the window. After a fault the
  // rest are ignored.
  void feed(const Reading& reading);

  Fault fault() const noexcept { return fault_; }
  const std::string& why() const noexcept { return why_; }  // a clause; empty without a fault

  // Since the first reading; meaningless after a fault.
  double joules() const noexcept { return joules_; }

  // One standard uncertainty in joules, of two independent parts.
  // Edges: a reading is the mean of the averaging_s before it, so at each end up to that much time,
  // at up to the largest power seen, is on the wrong side of the window: P tau sqrt(1/6), as for
  // the unaligned edges of a counter (energy.md section 3.4).
  // Sampling: between two readings the power may have stepped at any moment, so each step of the
  // trapezoid is off by up to half of dP dt, evenly: dP dt / sqrt(12).
  double u_joules() const noexcept;

 private:
  void refuse(Fault fault, std::string why);
  void advance(const Reading& reading, double power_w);

  double max_power_w_;
  double longest_gap_s_;
  double averaging_s_;
  std::string no_data_;
  bool started_ = false;
  std::int64_t previous_ns_ = 0;
  double previous_w_ = 0;
  double peak_w_ = 0;
  double joules_ = 0;
  double sampling_variance_ = 0;  // J^2
  Fault fault_ = Fault::kNone;
  std::string why_;
};

}  // namespace tern::energy
