#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "harness/report/fields.h"
#include "harness/report/writer.h"

namespace tern::harness {

namespace {

std::string literal(const Field& field) {
  if (field.absent) return "NULL";  // no aggregate counts what was not measured
  return std::visit(
      [](const auto& value) -> std::string {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          std::string out = "'";
          for (const char c : value) {
            out += c;
            if (c == '\'') out += c;
          }
          return out + "'";
        } else if constexpr (std::is_same_v<T, bool>) {
          return value ? "1" : "0";
        } else {
          return fmt::format("{}", value);
        }
      },
      field.value);
}

const char* column_type(const Field& field) {
  if (std::holds_alternative<std::string>(field.value)) return "TEXT";
  if (std::holds_alternative<double>(field.value)) return "REAL";
  return "INTEGER";
}

void create(std::ostream& out, const std::string& table, const std::string& first,
            const std::vector<Field>& fields) {
  out << "CREATE TABLE IF NOT EXISTS " << table << " (\n" << first;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    out << "  " << fields[i].name << ' ' << column_type(fields[i])
        << (i + 1 < fields.size() ? ",\n" : "\n");
  }
  out << ");\n\n";
}

std::vector<Field> ratio_row(const RatioTo& ratio) {
  std::vector<Field> fields = {{"tern_baseline", ratio.subject}};
  for (Field& field : ratio_fields(ratio.value, ratio.why)) fields.push_back(std::move(field));
  return fields;
}

// The ratios to all baselines, where a run has several; tern_bench holds the one to the first.
void create_ratios(const BenchReport& report, std::ostream& out) {
  const auto several = [](const BenchRow& row) { return !row.ratios.empty(); };
  const auto first = std::find_if(report.rows.begin(), report.rows.end(), several);
  if (first == report.rows.end()) return;
  create(out, "tern_ratio", "  llama_bench_rowid INTEGER,\n", ratio_row(first->ratios.front()));
}

// A table of its own, so that one made by an earlier version of tern_bench still fits.
void insert_energy(const BenchRow& row, std::ostream& out) {
  out << "INSERT INTO tern_energy VALUES ((SELECT max(rowid) FROM llama_bench)";
  for (const Field& field : energy_fields(row)) out << ", " << literal(field);
  out << ");\n";
}

void insert_ratios(const BenchRow& row, std::ostream& out) {
  for (const RatioTo& ratio : row.ratios) {
    out << "INSERT INTO tern_ratio VALUES ((SELECT max(rowid) FROM llama_bench)";
    for (const Field& field : ratio_row(ratio)) out << ", " << literal(field);
    out << ");\n";
  }
}

// Ours are in a table of their own, joined by rowid, so that the output also goes into a database
// that llama-bench made.
class SqlWriter final : public ReportWriter {
 public:
  void write(const BenchReport& report, std::ostream& out) const override {
    if (report.rows.empty()) return;
    create(out, "llama_bench", "", llama_bench_fields(report.rows.front()));
    create(out, "tern_bench", "  llama_bench_rowid INTEGER PRIMARY KEY,\n",
           tern_fields(report.rows.front()));
    create_ratios(report, out);
    const bool energy = has_energy_fields(report);
    if (energy) {
      create(out, "tern_energy", "  llama_bench_rowid INTEGER PRIMARY KEY,\n",
             energy_fields(report.rows.front()));
    }
    for (const BenchRow& row : report.rows) {
      std::string names, values;
      for (const Field& field : llama_bench_fields(row)) {
        const char* comma = names.empty() ? "" : ", ";
        names += comma + field.name;
        values += comma + literal(field);
      }
      out << "INSERT INTO llama_bench (" << names << ") VALUES (" << values << ");\n";
      out << "INSERT INTO tern_bench VALUES (last_insert_rowid()";
      for (const Field& field : tern_fields(row)) out << ", " << literal(field);
      out << ");\n";
      insert_ratios(row, out);
      if (energy) insert_energy(row, out);
    }
  }
};

}  // namespace

std::unique_ptr<ReportWriter> make_sql_writer() { return std::make_unique<SqlWriter>(); }

}  // namespace tern::harness
