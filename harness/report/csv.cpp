#include <fmt/format.h>

#include <algorithm>
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

// The baselines behind the first one, whose ratio has columns in every table.
std::vector<std::string> further_baselines(const BenchReport& report) {
  std::vector<std::string> names;
  for (const BenchRow& row : report.rows) {
    for (std::size_t i = 1; i < row.ratios.size(); ++i) {
      const std::string& name = row.ratios[i].subject;
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

// Named after the subject: "tern_ratio_low baseline:bf16". Empty on rows that have none.
std::vector<Field> further_fields(const BenchRow& row, const std::string& baseline) {
  const auto found = std::find_if(row.ratios.begin(), row.ratios.end(),
                                  [&](const RatioTo& to) { return to.subject == baseline; });
  std::vector<Field> fields = found == row.ratios.end() ? ratio_fields(std::nullopt, "")
                                                        : ratio_fields(found->value, found->why);
  for (Field& field : fields) field.name += " " + baseline;
  return fields;
}

class CsvWriter final : public ReportWriter {
 public:
  void write(const BenchReport& report, std::ostream& out) const override {
    const std::vector<std::string> baselines = further_baselines(report);
    const bool energy = has_energy_fields(report);
    bool header = true;
    for (const BenchRow& row : report.rows) {
      std::vector<Field> fields = llama_bench_fields(row);
      for (Field& field : tern_fields(row)) fields.push_back(std::move(field));
      for (const std::string& baseline : baselines) {
        for (Field& field : further_fields(row, baseline)) fields.push_back(std::move(field));
      }
      if (energy) {
        for (Field& field : energy_fields(row)) fields.push_back(std::move(field));
      }
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
