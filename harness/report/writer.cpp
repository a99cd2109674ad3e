#include "harness/report/writer.h"

#include <fmt/format.h>

#include "harness/error.h"

namespace tern::harness {

OutputFormat parse_output_format(const std::string& text, const std::string& flag) {
  if (text == "md") return OutputFormat::kMarkdown;
  if (text == "csv") return OutputFormat::kCsv;
  if (text == "json") return OutputFormat::kJson;
  if (text == "jsonl") return OutputFormat::kJsonl;
  if (text == "sql") return OutputFormat::kSql;
  throw Error(fmt::format("{}: expected md, csv, json, jsonl or sql, got \"{}\"", flag, text));
}

std::unique_ptr<ReportWriter> make_writer(OutputFormat format) {
  switch (format) {
    case OutputFormat::kMarkdown:
      return make_markdown_writer();
    case OutputFormat::kCsv:
      return make_csv_writer();
    case OutputFormat::kJson:
      return make_json_writer(false);
    case OutputFormat::kJsonl:
      return make_json_writer(true);
    case OutputFormat::kSql:
      return make_sql_writer();
  }
  return nullptr;
}

}  // namespace tern::harness
