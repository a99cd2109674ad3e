#pragma once
// Writes a benchmark's result in one format. md is for people and for pasting; the others keep
// llama-bench's field names so that its readers work unchanged.

#include <iosfwd>
#include <memory>
#include <string>

#include "harness/report/bench_report.h"

namespace tern::harness {

enum class OutputFormat { kMarkdown, kCsv, kJson, kJsonl, kSql };

OutputFormat parse_output_format(const std::string& text, const std::string& flag);  // throws Error

class ReportWriter {
 public:
  virtual ~ReportWriter() = default;
  virtual void write(const BenchReport& report, std::ostream& out) const = 0;
};

std::unique_ptr<ReportWriter> make_writer(OutputFormat format);

// One per file, for make_writer.
std::unique_ptr<ReportWriter> make_markdown_writer();
std::unique_ptr<ReportWriter> make_csv_writer();
std::unique_ptr<ReportWriter> make_json_writer(bool one_row_per_line);
std::unique_ptr<ReportWriter> make_sql_writer();

}  // namespace tern::harness
