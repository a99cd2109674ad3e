#include <fmt/format.h>

#include <ostream>

#include "harness/report/fields.h"
#include "harness/report/writer.h"

namespace tern::harness {

namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    out += c;
    if (c == '"') out += c;
  }
  return out + "\"";
}

// llama-bench quotes every value, numbers too.
std::string cell(const Field& field) {
  if (field.absent) return quoted("");
  return std::visit(
      [](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) return quoted(value);
        if constexpr (std::is_same_v<T, bool>) return quoted(value ? "1" : "0");
        if constexpr (!std::is_same_v<T, std::string> && !std::is_same_v<T, bool>) {
          return quoted(fmt::format("{}", value));
        }
      },
      field.value);
}

class CsvWriter final : public ReportWriter {
 public:
  void write(const BenchReport& report, std::ostream& out) const override {
    bool header = true;
    for (const BenchRow& row : report.rows) {
      std::vector<Field> fields = llama_bench_fields(row);
      for (Field& field : tern_fields(row)) fields.push_back(std::move(field));
      std::string names, cells;
      for (const Field& field : fields) {
        const char* comma = names.empty() ? "" : ",";
        names += comma + field.name;
        cells += comma + cell(field);
      }
      if (header) out << names << '\n';
      out << cells << '\n';
      header = false;
    }
  }
};

}  // namespace

std::unique_ptr<ReportWriter> make_csv_writer() { return std::make_unique<CsvWriter>(); }

}  // namespace tern::harness
