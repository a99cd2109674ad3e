#include "harness/report/sweep_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "harness/report/table.h"

namespace tern::harness {
namespace {

using Sweep = std::vector<const BenchRow*>;  // by rising threads

bool same_but_threads(const BenchRow& a, const BenchRow& b) {
  return a.subject.name == b.subject.name && a.subject.model == b.subject.model &&
         a.test.name() == b.test.name() && a.run.batch == b.run.batch &&
         a.run.ubatch == b.run.ubatch && a.run.poll == b.run.poll && a.run.type_k == b.run.type_k &&
         a.run.type_v == b.run.type_v;
}

std::vector<Sweep> sweeps(const std::vector<BenchRow>& rows) {
  std::vector<Sweep> all;
  for (const BenchRow& row : rows) {
    const auto mine = std::find_if(all.begin(), all.end(), [&](const Sweep& sweep) {
      return same_but_threads(*sweep.front(), row);
    });
    if (mine == all.end()) {
      all.push_back({&row});
    } else {
      mine->push_back(&row);
    }
  }
  for (Sweep& sweep : all) {
    std::stable_sort(sweep.begin(), sweep.end(), [](const BenchRow* a, const BenchRow* b) {
      return a->run.threads < b->run.threads;
    });
  }
  std::erase_if(all, [](const Sweep& sweep) {
    return sweep.front()->run.threads == sweep.back()->run.threads;
  });
  return all;
}

bool measured(const BenchRow& row) { return row.energy.status == energy::Status::kMeasured; }

std::string joules(const BenchRow& row) {
  return measured(row) ? fmt::format("{:.4f}", row.energy.j_per_token) : "n/m";
}

// Speed per thread, as a share of that of the fewest threads.
double efficiency(const BenchRow& row, const BenchRow& fewest) {
  return row.ts.mean / row.run.threads / (fewest.ts.mean / fewest.run.threads);
}

// The least joules count only where every thread count was measured.
std::string best_text(const Sweep& sweep) {
  const BenchRow& fastest = **std::max_element(
      sweep.begin(), sweep.end(),
      [](const BenchRow* a, const BenchRow* b) { return a->ts.mean < b->ts.mean; });
  const std::string what = fmt::format("best of {}, {}: {} threads by t/s", fastest.test.name(),
                                       fastest.subject.name, fastest.run.threads);
  const auto missing =
      std::find_if(sweep.begin(), sweep.end(), [](const BenchRow* row) { return !measured(*row); });
  if (missing != sweep.end()) return what + "; by J/token: not measured";
  const BenchRow& thriftiest =
      **std::min_element(sweep.begin(), sweep.end(), [](const BenchRow* a, const BenchRow* b) {
        return a->energy.j_per_token < b->energy.j_per_token;
      });
  return fmt::format("{}, {} by J/token", what, thriftiest.run.threads);
}

}  // namespace

void write_sweeps(const std::vector<BenchRow>& rows, std::ostream& out) {
  const std::vector<Sweep> all = sweeps(rows);
  if (all.empty()) return;
  Table table({{"model", 20, true},
               {"test", 10, true},
               {"subject", 8},
               {"threads"},
               {"t/s"},
               {"speed-up"},
               {"efficiency, %"},
               {"CPU ms/token"},
               {"J/token"}});
  for (const Sweep& sweep : all) {
    const BenchRow& fewest = *sweep.front();
    for (const BenchRow* row : sweep) {
      table.add({row->subject.description, row->test.name(), row->subject.name,
                 fmt::format("{}", row->run.threads), fmt::format("{:.2f}", row->ts.mean),
                 fmt::format("{:.2f}", row->ts.mean / fewest.ts.mean),
                 fmt::format("{:.1f}", 100 * efficiency(*row, fewest)),
                 row->cpu_ns_per_token.has_value()
                     ? fmt::format("{:.3f}", *row->cpu_ns_per_token * 1e-6)
                     : "n/m",
                 joules(*row)});
    }
  }
  out << '\n';
  table.write(out);
  for (const Sweep& sweep : all) out << best_text(sweep) << '\n';
}

}  // namespace tern::harness
