#pragma once
// Writes a comparison: a table for people (and for a CI summary), JSON, JSON lines or CSV for
// programs, JUnit XML for CI. It formats and decides nothing.

#include <string>

#include "harness/comparison.h"
#include "harness/report/writer.h"

namespace tern::harness {

// gate: the verdict leads. Formats: md, csv, json, jsonl.
std::string comparison_text(const Comparison& comparison, OutputFormat format, bool gate);
std::string comparison_markdown(const Comparison& comparison, bool gate);

// One test case per row: a regression is a failure, inconclusive is skipped with its message. A
// gate that compared nothing is one skipped case.
std::string comparison_junit(const Comparison& comparison);

}  // namespace tern::harness
