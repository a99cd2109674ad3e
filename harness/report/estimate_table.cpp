#include "harness/report/estimate_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "harness/report/table.h"

namespace tern::harness {

void write_estimates(const std::vector<BenchRow>& rows, std::ostream& out) {
  const auto estimated = [](const BenchRow& row) { return row.energy_estimate.has_value(); };
  if (std::none_of(rows.begin(), rows.end(), estimated)) return;
  Table table({{"ESTIMATE of", 15, true},
               {"subject", 8},
               {"threads"},
               {"linear layers, mJ/token"},
               {"attention, mJ/token"},
               {"bytes, mJ/token"}});
  for (const BenchRow& row : rows) {
    if (!row.energy_estimate) continue;
    const Estimate& estimate = *row.energy_estimate;
    const double per_token = 1e3 / static_cast<double>(estimate.tokens);
    const auto figure = [&](double joules) {
      return estimate.why_no_arithmetic.empty() ? fmt::format("{:.4g}", joules * per_token)
                                                : "none";
    };
    table.add({estimate.test, estimate.subject, fmt::format("{}", row.run.threads),
               figure(estimate.arithmetic.linear_j), figure(estimate.arithmetic.attention_j),
               fmt::format("{:.4g}", estimate.bytes_j * per_token)});
  }
  out << '\n';
  table.write(out);
  for (const std::string& caveat : estimate_caveats()) out << "estimate: " << caveat << '\n';
  for (const BenchRow& row : rows) {
    if (row.energy_estimate && !row.energy_estimate->why_no_arithmetic.empty()) {
      out << fmt::format("estimate: none for the arithmetic of {}: {}\n", row.subject.name,
                         row.energy_estimate->why_no_arithmetic);
    }
  }
}

}  // namespace tern::harness
