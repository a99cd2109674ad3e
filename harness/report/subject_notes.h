#pragma once
// How a subject was run where there was a choice that changes its speed and none of its answers:
// sentences for under a table.

#include <string>
#include <vector>

#include "harness/report/bench_report.h"

namespace tern::harness {

std::vector<std::string> subject_notes(const SubjectFacts& subject);

}  // namespace tern::harness
