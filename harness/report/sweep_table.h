#pragma once
// One test at several thread counts: how speed, CPU time and joules per token scale, and which
// count is the best by each.

#include <iosfwd>
#include <vector>

#include "harness/report/bench_report.h"

namespace tern::harness {

// Writes nothing where no test of a subject ran with two thread counts and all else equal.
void write_sweeps(const std::vector<BenchRow>& rows, std::ostream& out);

}  // namespace tern::harness
