#pragma once
// Hardware counters of a benchmark as people read them: per token, with what they say together.
// Without one measured count there is no table; why, stands in the notes.

#include <iosfwd>
#include <string>
#include <vector>

#include "harness/report/bench_report.h"

namespace tern::harness {

void write_counters(const std::vector<BenchRow>& rows, std::ostream& out);

// Which counts are missing or scaled, each reason once.
std::vector<std::string> counter_notes(const std::vector<BenchRow>& rows);

}  // namespace tern::harness
