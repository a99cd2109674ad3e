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

// What the meter may be wrong by in a ratio of the joules of the two sides, as a share: one
// standard uncertainty, the root sum of squares of both sides' comparative ones over their joules.
// The gain, common to both, is not in it. None where a trial does not say. Trials have joules above
// 0.
std::optional<double> ratio_u_cmp(const std::vector<const Trial*>& first,
                                  const std::vector<const Trial*>& second);

// One subject's joules per token over another's, over the pairs measured on both sides. Over the
// same pairs joules = power / speed, so saving = 1 - power / speed.
struct EnergyRatio {
  // With the intervals of the pairs alone.
  PairedRatio joules, power, speed;
  std::optional<double> u_cmp;  // of joules and of power, a share
  double saving() const noexcept { return 1 - joules.value; }
  // Whether the interval of the power ratio, widened by u_cmp, contains 1: then the pairs show no
  // saving but that of the speed-up.
  bool only_speedup() const {
    const PairedRatio wide = widened(power, u_cmp.value_or(0));
    return wide.has_interval && wide.low <= 1 + 1e-9 && wide.high >= 1 - 1e-9;
  }
};

// "meter: its own work took 0.012 % of one processor", of shares that need not be the same; empty
// without one.
std::string meter_share_text(const std::vector<double>& shares);

// What the identity says: "the energy saved is only the speed-up, …", or that the power differs
// too. `of`, if any, stands behind it in brackets. Empty where one pair has no interval to say it
// by.
std::string what_saves(const EnergyRatio& ratio, const std::string& of = "");

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
