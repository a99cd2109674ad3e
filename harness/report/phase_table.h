#pragma once
// The phases of forward passes as tables: one per run, phases down, tests and subjects across.

#include <iosfwd>
#include <vector>

#include "harness/report/bench_report.h"

namespace tern::harness {

// Writes nothing where no row has phases.
void write_phases(const std::vector<BenchRow>& rows, std::ostream& out);

}  // namespace tern::harness
