#pragma once
// The estimates of `tern bench --estimate` in a table of their own, with what they leave out.

#include <iosfwd>
#include <vector>

#include "harness/report/bench_report.h"

namespace tern::harness {

// Writes nothing where no row has an estimate.
void write_estimates(const std::vector<BenchRow>& rows, std::ostream& out);

}  // namespace tern::harness
