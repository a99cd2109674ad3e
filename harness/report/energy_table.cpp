#include "harness/report/energy_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "harness/report/table.h"

namespace tern::harness {
namespace {

constexpr const char* kNotMeasured = "n/m";

bool in_full(const BenchRow& row) {
  return row.energy.status == energy::Status::kMeasured && row.energy.u.has_value();
}

void add_once(std::vector<std::string>& lines, std::string line) {
  if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
}

std::vector<std::string> dynamic_cells(const EnergyFigures& energy) {
  if (!energy.dynamic) return {kNotMeasured, kNotMeasured, kNotMeasured, kNotMeasured};
  const DynamicFigures& dynamic = *energy.dynamic;
  return {
      fmt::format("{:.2f}", dynamic.idle_w),
      dynamic.below_resolution ? "below resolution" : fmt::format("{:.4f}", dynamic.j_per_token),
      fmt::format("{:.2g}", dynamic.u.absolute), fmt::format("{:.2g}", dynamic.u.comparative)};
}

std::string idle_text(const energy::IdleBaseline& idle) {
  const std::string drift =
      idle.drift_w ? fmt::format("{:+.2f} W from before the trials to after them", *idle.drift_w)
                   : "not known, there are windows on one side only";
  return fmt::format(
      "idle: {:.2f} W with models loaded and threads parked, mean of {} windows, s {:.2f} W, drift "
      "{}; dynamic = total - idle W x time",
      idle.mean_w, idle.windows, idle.stddev_w, drift);
}

std::vector<std::string> notes(const std::vector<BenchRow>& rows) {
  std::vector<std::string> lines;
  for (const BenchRow& row : rows) {
    if (!in_full(row)) continue;
    add_once(lines,
             "u: one standard uncertainty of the meter, J/token; absolute with the gain of the "
             "sensor, comparative without, since a common factor cancels in a ratio. How trials "
             "scatter is in the intervals of the ratios");
    if (!row.run.meter_assumptions.empty()) {
      add_once(lines, fmt::format("u: assumed, not calibrated: {}",
                                  fmt::join(row.run.meter_assumptions, "; ")));
    }
    if (row.run.idle && row.run.idle->why_not.empty()) add_once(lines, idle_text(*row.run.idle));
    if (!row.energy.why_no_dynamic.empty()) {
      add_once(lines, "dynamic energy: not measured: " + row.energy.why_no_dynamic);
    }
    if (row.energy.dynamic && row.energy.dynamic->below_resolution) {
      add_once(lines, "below resolution: smaller than three of its absolute uncertainties");
    }
  }
  return lines;
}

// Empty, or what the meter adds to the interval of the pairs, where the table's digits show it.
std::string meter_share(const EnergyRatio& ratio) {
  if (!ratio.u_cmp || !ratio.joules.has_interval) return "";
  const auto range = [](const PairedRatio& r) {
    return fmt::format("{:.3f} to {:.3f}", r.low, r.high);
  };
  const std::string wide = range(widened(ratio.joules, *ratio.u_cmp));
  if (wide == range(ratio.joules)) return "";
  return fmt::format(
      "the meter may be wrong by {:.2g} % of it (u cmp., one standard uncertainty), and with that "
      "the interval is {}",
      *ratio.u_cmp * 100, wide);
}

}  // namespace

std::string phase_name(const TestCase& test) {
  if (test.gen == 0) return "prefill";
  return test.prompt == 0 ? "decode" : "prefill + decode";
}

void write_energy(const std::vector<BenchRow>& rows, std::ostream& out) {
  if (std::none_of(rows.begin(), rows.end(), in_full)) return;
  const bool dynamic = std::any_of(rows.begin(), rows.end(), [](const BenchRow& row) {
    return in_full(row) && row.energy.dynamic.has_value();
  });
  std::vector<Column> columns = {{"joules of", 15, true},
                                 {"phase", 7, true},
                                 {"subject", 8},
                                 {"threads"},
                                 {"J/token"},
                                 {"u abs."},
                                 {"u cmp."},
                                 {"W"},
                                 {"tok/J"},
                                 {"EDP, J s"}};
  if (dynamic) {
    for (const char* title : {"idle W", "dynamic J/token", "u abs.", "u cmp."}) {
      columns.push_back({title});
    }
  }
  columns.push_back({"coverage", 8, true});
  Table table(std::move(columns));
  for (const BenchRow& row : rows) {
    if (!in_full(row)) continue;
    const EnergyFigures& energy = row.energy;
    std::vector<std::string> cells = {row.test.name(),
                                      phase_name(row.test),
                                      row.subject.name,
                                      fmt::format("{}", row.run.threads),
                                      fmt::format("{:.4f}", energy.j_per_token),
                                      fmt::format("{:.2g}", energy.u->absolute),
                                      fmt::format("{:.2g}", energy.u->comparative),
                                      fmt::format("{:.2f}", energy.watts),
                                      fmt::format("{:.3f}", energy.tokens_per_j),
                                      fmt::format("{:.4g}", energy.edp_js)};
    if (dynamic) {
      for (std::string& cell : dynamic_cells(energy)) cells.push_back(std::move(cell));
    }
    cells.push_back(energy.coverage);
    table.add(std::move(cells));
  }
  out << '\n';
  table.write(out);
  for (const std::string& line : notes(rows)) out << line << '\n';
}

std::vector<std::string> energy_ratio_notes(const std::vector<BenchComparison>& comparisons) {
  std::vector<std::string> lines;
  for (const BenchComparison& c : comparisons) {
    const std::string which = fmt::format("{}, {} / {}, {} thread{}", c.test, c.first, c.second,
                                          c.run.threads, c.run.threads == 1 ? "" : "s");
    if (c.energy.unequal_coverage) {
      lines.push_back(fmt::format("J/tok ratio refused ({}): {}", which, c.energy.why));
    }
    if (!c.energy.ratio) continue;
    const EnergyRatio& ratio = *c.energy.ratio;
    if (ratio.only_speedup()) lines.push_back(what_saves(ratio, which));
    const std::string meter = meter_share(ratio);
    if (!meter.empty()) lines.push_back(fmt::format("J/tok ratio ({}): {}", which, meter));
  }
  return lines;
}

}  // namespace tern::harness
