#pragma once
// What the machine draws while it does nothing (models loaded, threads parked), from idle windows
// that bracket a run, and the dynamic energy that is left of a run's total without it. Pure
// arithmetic. Dynamic energy is an accounting figure: it stands beside the total, never instead of
// it, and where it does not stand out of its uncertainty there is only that to say.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "energy/energy_meter.h"

namespace tern::energy {

struct IdleWindow {
  bool before = true;  // the run; else after it
  std::int64_t start_unix_ns = 0;
  EnergyDelta energy;
};

// Idle power in W over time. Meaningful only where why_not is empty.
struct IdleBaseline {
  std::string why_not;
  int windows = 0;                // of both sides
  double mean_w = 0;              // of all windows
  double stddev_w = 0;            // of windows about the mean of their side
  std::optional<double> drift_w;  // after minus before; none without windows on both sides
  std::string source, coverage;   // of the windows

  // Interpolated between the middle of the windows before and that of those after; flat outside
  // them, and everywhere where one side is missing.
  double power_w(std::int64_t unix_ns) const noexcept;

  double before_w = 0, after_w = 0;
  std::int64_t before_unix_ns = 0, after_unix_ns = 0;
};

// why_not where a window was not measured by a meter, where windows cover different parts of the
// machine, or where no side has two of them, so that nobody knows how they scatter.
IdleBaseline idle_baseline(std::span<const IdleWindow> windows);

// A total and what is left of it without the idle energy of its time.
struct DynamicEnergy {
  double joules = 0;
  double u_abs_j = 0, u_cmp_j = 0;  // of the total, with those of the idle energy
  // Smaller than 3 u_abs_j: the figure says nothing.
  bool below_resolution() const noexcept { return joules < 3 * u_abs_j; }
};

// idle_j: idle power times window_s. u_*_j: of the total.
DynamicEnergy dynamic_energy(const IdleBaseline& idle, double total_j, double idle_j,
                             double window_s, double u_abs_j, double u_cmp_j) noexcept;

}  // namespace tern::energy
