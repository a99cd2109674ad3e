#include "harness/report/roofline_table.h"

#include <fmt/format.h>

#include <map>
#include <ostream>

#include "harness/report/table.h"

namespace tern::harness {
namespace {

std::string giga(double per_s) { return per_s > 0 ? fmt::format("{:.1f}", per_s * 1e-9) : "n/m"; }

void write_limits(const std::vector<BenchRow>& rows, std::ostream& out) {
  std::map<int, MachineLimits> limits;  // several runs of one report may share thread counts
  for (const BenchRow& row : rows) {
    for (const MachineLimits& some : row.run.limits_by_threads) {
      keep_best(limits[some.threads], some);
    }
  }
  bool bf16 = false;
  for (const auto& [threads, some] : limits) bf16 = bf16 || some.bf16_ops_per_s > 0;
  std::vector<Column> columns = {
      {"threads"}, {"memory read, GB/s"}, {"int8 dot, Gop/s"}, {"FP32 fma, Gflop/s"}};
  if (bf16) columns.push_back({"BF16 dot, Gflop/s"});
  Table table(std::move(columns));
  for (const auto& [threads, some] : limits) {
    std::vector<std::string> cells = {fmt::format("{}", threads), giga(some.read_bytes_per_s),
                                      giga(some.int8_ops_per_s), giga(some.fp32_ops_per_s)};
    if (bf16) cells.push_back(giga(some.bf16_ops_per_s));
    table.add(std::move(cells));
  }
  table.write(out);
  for (const auto& [threads, some] : limits) {
    if (!some.why.empty()) {
      out << "not measured with -t " << threads << ": " << some.why << '\n';
    }
  }
}

void add_row(Table& table, const BenchRow& row) {
  const Roofline& place = row.roofline;
  std::vector<std::string> cells = {row.test.name(), row.subject.name,
                                    fmt::format("{}", row.run.threads)};
  if (place.why.empty()) {
    cells.insert(
        cells.end(),
        {fmt::format("{:.2f}", place.ops_per_byte), fmt::format("{:.1f}", place.memory_share * 100),
         fmt::format("{:.1f}", place.ops_per_s * 1e-9),
         fmt::format("{:.1f}", place.compute_share * 100),
         place.memory_bound ? "memory" : "arithmetic", fmt::format("{:.2f}", place.ceiling_ts)});
  } else {
    cells.insert(cells.end(), {"n/m", "n/m", "n/m", "n/m", "not measured: " + place.why, "n/m"});
  }
  cells.push_back(fmt::format("{:.2f}", row.ts.mean));
  table.add(std::move(cells));
}

}  // namespace

void write_roofline(const std::vector<BenchRow>& rows, std::ostream& out) {
  Table table({{"test", 15, true},
               {"subject", 8},
               {"threads"},
               {"op/byte"},
               {"% of read bw"},
               {"Gop/s"},
               {"% of peak"},
               {"bound by", 10, true},
               {"ceiling, t/s"},
               {"t/s"}});
  bool asked = false;
  for (const BenchRow& row : rows) {
    if (row.run.limits_by_threads.empty()) continue;
    asked = true;
    add_row(table, row);
  }
  if (!asked) return;
  out << '\n';
  write_limits(rows, out);
  out << '\n';
  table.write(out);
  out << "operations: multiplications and additions of the linear layers and the head\n";
}

}  // namespace tern::harness
