#pragma once
// Joules in full: total and dynamic energy of each test, both uncertainties apart, what they cover
// and what they take on faith.

#include <iosfwd>
#include <string>
#include <vector>

#include "harness/report/bench_report.h"

namespace tern::harness {

// Writes nothing where no row was metered with its uncertainty.
void write_energy(const std::vector<BenchRow>& rows, std::ostream& out);

// For under the tables, one sentence each: ratios of joules that were refused, and savings that are
// nothing but the speed-up.
std::vector<std::string> energy_ratio_notes(const std::vector<BenchComparison>& comparisons);

// "prefill", "decode", or both: their joules per token are different quantities.
std::string phase_name(const TestCase& test);

}  // namespace tern::harness
