#pragma once
// Joules as a report shows them, derived from raw trials and idle windows: total and dynamic energy
// with both uncertainties, and the ratio of two subjects with its identity. What was not measured,
// or covers something else, has a reason and no figure.

#include <optional>
#include <string>
#include <vector>

#include "energy/idle_baseline.h"
#include "harness/statistics.h"
#include "harness/trial.h"

namespace tern::harness {

// One standard uncertainty of the meter: with the gain of its sensor, and without it, because a
// common factor cancels in a ratio.
struct MeterUncertainty {
  double absolute = 0, comparative = 0;
};

// What is left of the total without the idle energy of its time.
struct DynamicFigures {
  double idle_w = 0;  // on average over the trials
  double j_per_token = 0;
  MeterUncertainty u;  // J/token
  bool below_resolution = false;
};

// Derived from those trials whose energy was measured.
struct EnergyFigures {
  energy::Status status = energy::Status::kNotMeasured;
  std::string why, source, coverage;
  int trials = 0;  // with energy
  double j_per_token = 0, watts = 0, tokens_per_j = 0;
  double edp_js = 0;                  // energy-delay product of a token: J/token times s/token
  std::optional<MeterUncertainty> u;  // J/token; of every trial or not at all
  // CPU time that metering took, as a share of one processor in the windows; of every trial or not
  // at all.
  std::optional<double> meter_share;
  std::optional<DynamicFigures> dynamic;
  std::string why_no_dynamic;  // where idle power was measured and yet gives no figure
};

// Uncertainties of the trials add up: what repetition would average out is the smaller part of
// them, and how much repetitions scatter is another figure.
EnergyFigures energy_figures(const std::vector<const Trial*>& trials,
                             const std::optional<energy::IdleBaseline>& idle);

// One subject's joules per token over another's, over the pairs measured on both sides. Over the
// same pairs joules = power / speed, so saving = 1 - power / speed.
struct EnergyRatio {
  PairedRatio joules, power, speed;
  double saving() const noexcept { return 1 - joules.value; }
  // Whether the interval of the power ratio contains 1: then the pairs show no saving but that of
  // the speed-up.
  bool only_speedup() const noexcept {
    return power.has_interval && power.low <= 1 + 1e-9 && power.high >= 1 - 1e-9;
  }
};

// "meter: its own work took 0.012 % of one processor", of shares that need not be the same; empty
// without one.
std::string meter_share_text(const std::vector<double>& shares);

struct EnergyComparison {
  std::optional<EnergyRatio> ratio;
  std::string why;                // without a ratio, or for the pairs that fell out
  bool unequal_coverage = false;  // there are joules, of different parts of the machine
};

// Pairs: first[i] and second[i] belong together. Only a meter's joules are compared: attributed
// energy is somebody's share. Refused where two trials cover different parts of the machine.
EnergyComparison compare_energy(const std::vector<const Trial*>& first,
                                const std::vector<const Trial*>& second);

}  // namespace tern::harness
