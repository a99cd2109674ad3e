#pragma once
// The report of a benchmark, rebuilt from its record: the same figures that `tern bench` printed,
// derived again from the raw trials. Refuses nothing: what a record does not say stays empty.

#include <optional>
#include <string>
#include <vector>

#include "harness/record.h"
#include "harness/report/bench_report.h"

namespace tern::harness {

// "pp512", "tg128", "pp512+tg128", each with " @ d512" or without; nullopt for another program's
// name.
std::optional<TestCase> parse_test_name(const std::string& name);

// What the rows of a report share. Why there is no baseline, and what else runs here, a record does
// not say.
RunFacts recorded_run_facts(const Record& record);

// What the rows of a report say of the record's subjects.
std::vector<SubjectFacts> subject_facts(const Record& record);

// The tests of the record's trials in the order they ran. Trials whose test has another name are
// left out; a note of the report says so.
BenchReport recorded_report(const Record& record);

}  // namespace tern::harness
