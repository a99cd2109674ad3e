#pragma once
// Records in files: one JSON document, an array of them, or one per line; or the results of
// tern_kernel_bench (kernel_benchmarks.h). All are read before the first is handed out.

#include <string>
#include <vector>

#include "harness/record.h"

namespace tern::harness {

// "-" is stdin. Throws Error naming the path when it cannot be read.
std::string read_record_file(const std::string& path);

// Throws Error naming `path` and the line or place of what is no record, and when there is none.
std::vector<Record> parse_records(const std::string& text, const std::string& path);

}  // namespace tern::harness
