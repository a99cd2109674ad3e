#pragma once
// The limits by thread count, and where each test sits below those of its own.

#include <iosfwd>
#include <vector>

#include "harness/report/bench_report.h"

namespace tern::harness {

// Writes nothing where no row's run has limits by thread count (`tern bench --roofline`).
void write_roofline(const std::vector<BenchRow>& rows, std::ostream& out);

}  // namespace tern::harness
