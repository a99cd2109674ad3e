#include "harness/report/phase_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "harness/report/table.h"

namespace tern::harness {
namespace {

using Rows = std::vector<const BenchRow*>;

void add_line(Table& table, const std::string& phase, const Rows& rows,
              std::int64_t (*ns)(const PhaseSample&, const std::string& phase)) {
  std::vector<std::string> cells = {phase};
  for (const BenchRow* row : rows) {
    const PhaseSample& sample = *row->phases;
    const auto phase_ns = static_cast<double>(ns(sample, phase));
    cells.push_back(fmt::format("{:.3f}", phase_ns * 1e-6 / static_cast<double>(sample.tokens)));
    cells.push_back(fmt::format("{:.1f}", 100 * phase_ns / static_cast<double>(sample.elapsed_ns)));
  }
  table.add(std::move(cells));
}

std::int64_t phase_ns(const PhaseSample& sample, const std::string& phase) {
  for (const auto& [name, ns] : sample.ns) {
    if (name == phase) return ns;
  }
  return 0;
}

// Rows of one run: they have the same threads and so the same phases to compare.
void write_run(const Rows& rows, std::ostream& out) {
  std::vector<Column> columns = {{"phase", 10, true}};
  std::vector<std::string> phases;
  for (const BenchRow* row : rows) {
    columns.push_back(
        {fmt::format("{} {}, {} thread{}: ms/token", row->subject.name, row->test.name(),
                     row->run.threads, row->run.threads == 1 ? "" : "s")});
    columns.push_back({"%", 5});
    for (const auto& [name, ns] : row->phases->ns) {
      if (std::find(phases.begin(), phases.end(), name) == phases.end()) phases.push_back(name);
    }
  }
  Table table(std::move(columns));
  for (const std::string& phase : phases) add_line(table, phase, rows, phase_ns);
  add_line(table, "rest", rows,
           [](const PhaseSample& sample, const std::string&) { return sample.rest_ns(); });
  add_line(table, "all", rows,
           [](const PhaseSample& sample, const std::string&) { return sample.elapsed_ns; });
  out << '\n';
  table.write(out);
}

}  // namespace

void write_phases(const std::vector<BenchRow>& rows, std::ostream& out) {
  Rows run;
  const auto flush = [&] {
    if (!run.empty()) write_run(run, out);
    run.clear();
  };
  for (const BenchRow& row : rows) {
    if (!row.phases.has_value()) continue;
    if (!run.empty() && run.front()->run.record_id != row.run.record_id) flush();
    run.push_back(&row);
  }
  flush();
}

}  // namespace tern::harness
