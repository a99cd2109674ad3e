#include "energy/idle_baseline.h"

#include <array>
#include <cmath>
#include <vector>

#include "energy/uncertainty_budget.h"

namespace tern::energy {
namespace {

double power_of(const IdleWindow& window) {
  return window.energy.total_joules / window.energy.window_s;
}

std::int64_t middle_ns(const IdleWindow& window) {
  return window.start_unix_ns + static_cast<std::int64_t>(window.energy.window_s * 0.5e9);
}

std::string why_unusable(std::span<const IdleWindow> windows) {
  if (windows.empty()) return "no idle window was measured";
  const EnergyDelta& first = windows.front().energy;
  for (const IdleWindow& window : windows) {
    const EnergyDelta& energy = window.energy;
    if (energy.status == Status::kNotMeasured) {
      return "an idle window was not measured: " + energy.why;
    }
    if (energy.status == Status::kAttributed) {
      return "idle power is attributed by " + energy.source + ", not measured";
    }
    if (!(energy.window_s > 0)) return "an idle window has no duration";
    if (energy.source != first.source || energy.coverage != first.coverage) {
      return "idle windows of unequal coverage: " + first.source + ", " + first.coverage + " and " +
             energy.source + ", " + energy.coverage;
    }
  }
  return "";
}

// Mean power and middle of the windows of one side.
struct Group {
  int windows = 0;
  double mean_w = 0;
  double squares = 0;  // of the distances from the mean
  std::int64_t middle_ns = 0;
};

Group group_of(std::span<const IdleWindow> windows, bool before) {
  Group group;
  std::vector<const IdleWindow*> mine;
  for (const IdleWindow& window : windows) {
    if (window.before == before) mine.push_back(&window);
  }
  if (mine.empty()) return group;
  group.windows = static_cast<int>(mine.size());
  const std::int64_t origin = mine.front()->start_unix_ns;
  double sum_w = 0, sum_ns = 0;
  for (const IdleWindow* window : mine) {
    sum_w += power_of(*window);
    sum_ns += static_cast<double>(middle_ns(*window) - origin);
  }
  group.mean_w = sum_w / group.windows;
  group.middle_ns = origin + static_cast<std::int64_t>(sum_ns / group.windows);
  for (const IdleWindow* window : mine) {
    group.squares += std::pow(power_of(*window) - group.mean_w, 2);
  }
  return group;
}

}  // namespace

IdleBaseline idle_baseline(std::span<const IdleWindow> windows) {
  IdleBaseline idle;
  idle.why_not = why_unusable(windows);
  if (!idle.why_not.empty()) return idle;
  Group before = group_of(windows, true);
  Group after = group_of(windows, false);
  const int sides = (before.windows > 0 ? 1 : 0) + (after.windows > 0 ? 1 : 0);
  idle.windows = before.windows + after.windows;
  if (idle.windows <= sides) {
    idle.why_not = "one idle window on each side does not show how much idle power scatters";
    return idle;
  }
  idle.source = windows.front().energy.source;
  idle.coverage = windows.front().energy.coverage;
  idle.mean_w = (before.mean_w * before.windows + after.mean_w * after.windows) / idle.windows;
  idle.stddev_w = std::sqrt((before.squares + after.squares) / (idle.windows - sides));
  if (sides == 2) idle.drift_w = after.mean_w - before.mean_w;
  if (before.windows == 0) before = after;
  if (after.windows == 0) after = before;
  idle.before_w = before.mean_w;
  idle.after_w = after.mean_w;
  idle.before_unix_ns = before.middle_ns;
  idle.after_unix_ns = after.middle_ns;
  return idle;
}

double IdleBaseline::power_w(std::int64_t unix_ns) const noexcept {
  if (unix_ns <= before_unix_ns || after_unix_ns <= before_unix_ns) return before_w;
  if (unix_ns >= after_unix_ns) return after_w;
  const double share = static_cast<double>(unix_ns - before_unix_ns) /
                       static_cast<double>(after_unix_ns - before_unix_ns);
  return before_w + share * (after_w - before_w);
}

// The idle terms do not cancel between two sides whose windows differ in length, so they stay in
// the comparative uncertainty too.
DynamicEnergy dynamic_energy(const IdleBaseline& idle, double total_j, double idle_j,
                             double window_s, double u_abs_j, double u_cmp_j) noexcept {
  const double mean_j = idle_mean_u_j(idle.stddev_w, idle.windows, window_s);
  const double drift_j = idle_drift_u_j(idle.drift_w.value_or(0), window_s);
  DynamicEnergy dynamic;
  dynamic.joules = total_j - idle_j;
  dynamic.u_abs_j = root_sum_of_squares(std::array{u_abs_j, mean_j, drift_j});
  dynamic.u_cmp_j = root_sum_of_squares(std::array{u_cmp_j, mean_j, drift_j});
  return dynamic;
}

}  // namespace tern::energy
