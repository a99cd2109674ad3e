#include "harness/report/energy_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tern::harness {
namespace {

using Trials = std::vector<const Trial*>;

double seconds(const Trial& trial) { return static_cast<double>(trial.elapsed_ns) * 1e-9; }
double speed(const Trial& trial) { return static_cast<double>(trial.tokens) / seconds(trial); }
double joules_per_token(const Trial& trial) {
  return trial.energy.total_joules / static_cast<double>(trial.tokens);
}
double joules_per_s(const Trial& trial) { return joules_per_token(trial) * speed(trial); }

// Of the readings of the meter, which are just outside those of the clock.
double window_s(const Trial& trial) {
  return trial.energy.window_s > 0 ? trial.energy.window_s : seconds(trial);
}

// Zero joules is a counter that did not move: there is nothing to divide by.
bool has_energy(const Trial& trial) {
  return trial.energy.status != energy::Status::kNotMeasured && trial.energy.total_joules > 0;
}

std::string why_no_energy(const Trial& trial) {
  if (trial.energy.status == energy::Status::kNotMeasured) return trial.energy.why;
  return fmt::format("{} counted no joules in the {:.3f} s of {}", trial.energy.source,
                     seconds(trial), trial.test);
}

// What a figure's joules were counted by, and of what.
std::string metered_by(const std::string& source, const std::string& coverage) {
  return source + ", " + coverage;
}
std::string metered_by(const Trial& trial) {
  return metered_by(trial.energy.source, trial.energy.coverage);
}

// Sums over the trials that have energy.
struct Sums {
  double joules = 0, window_s = 0, elapsed_s = 0, tokens = 0, idle_j = 0;
  double u_abs_j = 0, u_cmp_j = 0;
  bool u_known = true;
  double meter_cpu_s = 0;
  bool meter_cpu_known = true;
};

void add(Sums& sums, const Trial& trial, const std::optional<energy::IdleBaseline>& idle) {
  const double time_s = window_s(trial);
  sums.joules += trial.energy.total_joules;
  sums.window_s += time_s;
  sums.elapsed_s += seconds(trial);
  sums.tokens += static_cast<double>(trial.tokens);
  sums.u_abs_j += trial.energy.u_abs_j.value_or(0);
  sums.u_cmp_j += trial.energy.u_cmp_j.value_or(0);
  sums.u_known = sums.u_known && trial.energy.u_abs_j.has_value() && trial.energy.u_cmp_j;
  sums.meter_cpu_s += trial.energy.meter_cpu_s.value_or(0);
  sums.meter_cpu_known = sums.meter_cpu_known && trial.energy.meter_cpu_s.has_value();
  if (!idle) return;
  const std::int64_t middle_ns = trial.start_unix_ns + trial.elapsed_ns / 2;
  sums.idle_j += idle->power_w(middle_ns) * time_s;
}

// Empty, or why idle power cannot be taken off these joules.
std::string why_no_dynamic(const EnergyFigures& figures, const energy::IdleBaseline& idle) {
  if (!idle.why_not.empty()) return idle.why_not;
  if (figures.status != energy::Status::kMeasured) return "the total was not measured by a meter";
  if (!figures.u) return "the uncertainty of the total is not known";
  const std::string total = metered_by(figures.source, figures.coverage);
  const std::string parked = metered_by(idle.source, idle.coverage);
  if (total == parked) return "";
  return fmt::format("unequal coverage: the total was metered by {}, idle power by {}", total,
                     parked);
}

DynamicFigures dynamic_figures(const Sums& sums, const energy::IdleBaseline& idle) {
  const energy::DynamicEnergy dynamic = energy::dynamic_energy(
      idle, sums.joules, sums.idle_j, sums.window_s, sums.u_abs_j, sums.u_cmp_j);
  return {.idle_w = sums.idle_j / sums.window_s,
          .j_per_token = dynamic.joules / sums.tokens,
          .u = {dynamic.u_abs_j / sums.tokens, dynamic.u_cmp_j / sums.tokens},
          .below_resolution = dynamic.below_resolution()};
}

template <class F>
std::vector<double> values(const Trials& trials, F&& f) {
  std::vector<double> result;
  for (const Trial* trial : trials) result.push_back(f(*trial));
  return result;
}

// Empty where a meter measured it.
std::string why_not_metered(const Trial& trial) {
  if (!has_energy(trial)) return why_no_energy(trial);
  if (trial.energy.status == energy::Status::kMeasured) return "";
  return "the energy is attributed by " + trial.energy.source + ", not measured";
}

std::string unequal_coverage(const Trials& first, const Trials& second) {
  const std::string expected = metered_by(*first.front());
  for (const Trials* side : {&first, &second}) {
    for (const Trial* trial : *side) {
      if (metered_by(*trial) == expected) continue;
      return fmt::format("unequal coverage: one trial was metered by {}, another by {}", expected,
                         metered_by(*trial));
    }
  }
  return "";
}

// Of one side's joules, as a share; trials' uncertainties add up, as in energy_figures.
std::optional<double> relative_u_cmp(const Trials& trials) {
  double u_j = 0, joules = 0;
  for (const Trial* trial : trials) {
    if (!trial->energy.u_cmp_j.has_value()) return std::nullopt;
    u_j += *trial->energy.u_cmp_j;
    joules += trial->energy.total_joules;
  }
  return u_j / joules;
}

}  // namespace

std::optional<double> ratio_u_cmp(const Trials& first, const Trials& second) {
  const std::optional<double> a = relative_u_cmp(first), b = relative_u_cmp(second);
  if (!a || !b) return std::nullopt;
  return std::hypot(*a, *b);
}

std::string what_saves(const EnergyRatio& ratio, const std::string& of) {
  if (!ratio.power.has_interval) return "";
  const std::string which = of.empty() ? "" : " (" + of + ")";
  const PairedRatio power = widened(ratio.power, ratio.u_cmp.value_or(0));
  const std::string figures =
      fmt::format("the W ratio is {:.3f}, and its interval, {}{:.3f} to {:.3f}", power.value,
                  ratio.u_cmp ? "with the meter's u cmp., " : "", power.low, power.high);
  if (ratio.only_speedup()) {
    return fmt::format(
        "the energy {}, as far as these pairs show{}: {}, contains 1",
        ratio.saving() >= 0 ? "saved is only the speed-up" : "lost is only the time lost", which,
        figures);
  }
  return fmt::format("beside the time the power is {}{}: {}, does not contain 1",
                     power.value < 1 ? "lower" : "higher", which, figures);
}

EnergyFigures energy_figures(const std::vector<const Trial*>& trials,
                             const std::optional<energy::IdleBaseline>& idle) {
  EnergyFigures figures;
  const bool usable_idle = idle && idle->why_not.empty();
  Sums sums;
  const Trial* before = nullptr;
  for (const Trial* trial : trials) {
    if (!has_energy(*trial)) {
      if (figures.why.empty()) figures.why = why_no_energy(*trial);
      continue;
    }
    if (before != nullptr && metered_by(*trial) != metered_by(*before)) {
      EnergyFigures none;
      none.why = unequal_coverage({before}, {trial});
      return none;
    }
    before = trial;
    // One attributed trial makes the figure attributed.
    if (figures.trials == 0 || trial->energy.status == energy::Status::kAttributed) {
      figures.status = trial->energy.status;
    }
    figures.source = trial->energy.source;
    figures.coverage = trial->energy.coverage;
    add(sums, *trial, usable_idle ? idle : std::nullopt);
    ++figures.trials;
  }
  if (figures.trials == 0) return figures;
  figures.j_per_token = sums.joules / sums.tokens;
  figures.tokens_per_j = sums.tokens / sums.joules;
  figures.watts = sums.joules / sums.window_s;
  figures.edp_js = figures.j_per_token * sums.elapsed_s / sums.tokens;
  if (sums.u_known) figures.u = {sums.u_abs_j / sums.tokens, sums.u_cmp_j / sums.tokens};
  if (sums.meter_cpu_known) figures.meter_share = sums.meter_cpu_s / sums.window_s;
  if (!idle) return figures;
  figures.why_no_dynamic = why_no_dynamic(figures, *idle);
  if (figures.why_no_dynamic.empty()) figures.dynamic = dynamic_figures(sums, *idle);
  return figures;
}

std::string meter_share_text(const std::vector<double>& shares) {
  if (shares.empty()) return "";
  return fmt::format("meter: its own work took {}{:.2g} % of one processor",
                     shares.size() > 1 ? "at most " : "",
                     100 * *std::max_element(shares.begin(), shares.end()));
}

EnergyComparison compare_energy(const Trials& first, const Trials& second) {
  EnergyComparison comparison;
  Trials a, b;
  for (std::size_t i = 0; i < first.size(); ++i) {
    std::string why = why_not_metered(*first[i]);
    if (why.empty()) why = why_not_metered(*second[i]);
    if (comparison.why.empty()) comparison.why = why;
    if (!why.empty()) continue;
    a.push_back(first[i]);
    b.push_back(second[i]);
  }
  if (a.empty()) return comparison;
  const std::string unequal = unequal_coverage(a, b);
  if (!unequal.empty()) {
    comparison.why = unequal;
    comparison.unequal_coverage = true;
    return comparison;
  }
  comparison.ratio = {
      .joules = paired_ratio(values(a, joules_per_token), values(b, joules_per_token)),
      .power = paired_ratio(values(a, joules_per_s), values(b, joules_per_s)),
      .speed = paired_ratio(values(a, speed), values(b, speed)),
      .u_cmp = ratio_u_cmp(a, b)};
  return comparison;
}

}  // namespace tern::harness
