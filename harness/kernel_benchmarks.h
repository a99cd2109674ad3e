#pragma once
// The results of tern_kernel_bench in the store: Google Benchmark's JSON becomes a record whose
// kernel_benchmarks[] holds one entry per repetition. Aggregates are left out: they can be computed
// again.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "harness/record.h"

namespace tern::harness {

// Whether a document is Google Benchmark's, whatever program wrote it.
bool is_google_benchmark(const nlohmann::json& document);

// The same results always make the same record: its id comes from their date and content. Throws
// Error when they are not from tern_kernel_bench, or hold no repetition.
Record kernel_benchmark_record(const nlohmann::json& document);

// kernel_benchmarks[] as a table; empty where the record has none.
std::string kernel_benchmarks_markdown(const Record& record);

}  // namespace tern::harness
