#pragma once
// How sure a number of joules is: the terms of the budget of energy.md section 3.4, each a pure
// function, and their root sum of squares. All are standard uncertainties (one sigma). The absolute
// one has the gain of the sensor; the comparative one has not, because a common factor cancels in a
// ratio of two windows on one machine. Gains are assumptions until somebody calibrates the meter.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "energy/energy_meter.h"
#include "energy/energy_source.h"

namespace tern::energy {

// One reading of a counter that moves in steps of quantum_j, at both ends of a window: two uniform
// errors of one quantum, q·√(1/6).
double quantum_u_j(double quantum_j) noexcept;

// A window whose ends lie anywhere between two updates of the counter, P·t_upd·√(1/6). Where both
// ends are aligned to an update, step_s is the duration of a read instead of the update period.
double edges_u_j(double power_w, double step_s) noexcept;

// Energy counted in units that are too small by the share `relative`; systematic.
double truncation_u_j(double relative, double energy_j) noexcept;

// A mean idle power of `windows` windows (at least 1) with the standard deviation stddev_w, taken
// off a window of window_s: s·T/√k.
double idle_mean_u_j(double stddev_w, int windows, double window_s) noexcept;

// Idle power that changed by drift_w from before to after: anywhere in between, |ΔP|·T/(2√3).
double idle_drift_u_j(double drift_w, double window_s) noexcept;

// The factor of the sensor, or what its model of the hardware leaves out: share · E.
double gain_u_j(double relative, double energy_j) noexcept;

double root_sum_of_squares(std::span<const double> values) noexcept;

// What kind of sensor a domain has, as far as its name, its kind and the CPU's maker say.
enum class SensorClass : std::uint8_t {
  kIntelServer,  // package counter, measured since Haswell-EP
  kIntelClient,
  kAmd,  // package counter computed from activity
  kDram,
  kInaRail,
  kGrace,
  kApple,
  kPlug,
  kAnalyser,
  kUnknown
};
const char* name(SensorClass sensor) noexcept;  // "Intel server package"

// info.domains[domain]; cpu_vendor as in platform.h.
SensorClass sensor_class(const SourceInfo& info, std::size_t domain, const std::string& cpu_vendor);

// Relative gain uncertainty assumed for an uncalibrated sensor: engineering choices after the
// literature in energy.md section 1.11, no data sheet's. For a sensor of no known class it is that
// of the worst counter in a CPU, which says no more than that nobody knows.
double gain_assumed(SensorClass sensor) noexcept;

// A meter that computes energy from activity may be wrong by another factor for other instructions,
// so this share does not cancel in a ratio. AMD's counters only (Schöne 2021); 5 % until a wall
// meter says better.
double model_assumed(SensorClass sensor) noexcept;

// One hardware unit of the counter. A modulus stands for 2^32 of them; without one it is the raw
// count, but for RAPL at least 2^-14 J, the coarsest unit of its packages.
double counter_quantum_j(const Domain& domain) noexcept;

// By how much the counter's unit was cut short when it was expressed in whole nanojoules (powercap:
// 5.2e-5 on AMD, 2.6e-6 on Intel); 0 where the unit is no power of two, or already exact.
double truncation_share(const Domain& domain) noexcept;

struct UncertaintyTerm {
  std::string name;  // "quantum", "edges", "truncation", "gain", "model"
  double u_j = 0;
  bool absolute_only = false;  // a common factor: no part of the comparative uncertainty
};

struct UncertaintyBudget {
  std::vector<UncertaintyTerm> terms;
  double absolute_j() const;
  double comparative_j() const;
};

// The budget of the total of `delta`, over its included domains. Quanta and edges of domains are
// independent; gains of one class are one common factor and add up, classes are independent. The
// edges of a counter are as sharp as the delta says (edge_s; without it, as its update period); of
// a sensor of power, what sampling left unknown stands in their place. The clock adds nothing:
// CLOCK_MONOTONIC_RAW is not slewed. Empty where nothing was measured.
UncertaintyBudget window_budget(const SourceInfo& info, const EnergyDelta& delta,
                                const std::string& cpu_vendor);

// Stops the meter; a measured total gets its uncertainties.
EnergyDelta stop_with_budget(EnergyMeter& meter, const std::string& cpu_vendor);

// What the budget takes on faith, one clause per class of sensor: "3 % gain (Intel server
// package)".
std::vector<std::string> budget_assumptions(const SourceInfo& info, const std::string& cpu_vendor);

}  // namespace tern::energy
