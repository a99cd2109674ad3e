#include "harness/report/counter_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <ostream>

#include "harness/report/table.h"

namespace tern::harness {

namespace {

constexpr const char* kNotMeasured = "n/m";

bool any_measured(const BenchRow& row) {
  return std::any_of(row.counters.begin(), row.counters.end(),
                     [](const energy::CounterValue& counter) { return counter.measured; });
}

std::string per_token(const BenchRow& row, const char* name) {
  const energy::CounterValue* counter = energy::find(row.counters, name);
  if (counter == nullptr || !counter->measured) return kNotMeasured;
  return fmt::format("{:.4g}", counter->value / row.tokens);
}

std::string dram_gb_per_s(const BenchRow& row) {
  double bytes = 0;
  for (const char* name : {"dram_read_bytes", "dram_write_bytes"}) {
    const energy::CounterValue* counter = energy::find(row.counters, name);
    if (counter == nullptr || !counter->measured) return kNotMeasured;
    bytes += counter->value;
  }
  return fmt::format("{:.2f}", bytes * 1e-9 / row.seconds);
}

std::string figure(const std::optional<double>& value, double factor) {
  return value.has_value() ? fmt::format("{:.2f}", *value * factor) : kNotMeasured;
}

}  // namespace

void write_counters(const std::vector<BenchRow>& rows, std::ostream& out) {
  if (std::none_of(rows.begin(), rows.end(), any_measured)) return;
  Table table({{"counters: test", 15, true},
               {"subject", 8, true},
               {"IPC", 6},
               {"GHz", 6},
               {"LLC misses/tok", 14},
               {"frontend stalls/tok", 19},
               {"backend stalls/tok", 18},
               {"DRAM GB/s", 9}});
  for (const BenchRow& row : rows) {
    const energy::CounterFigures& figures = row.counter_figures;
    table.add({row.test.name(), row.subject.name + (figures.scaled ? " (scaled)" : ""),
               figure(figures.ipc, 1), figure(figures.frequency_hz, 1e-9),
               per_token(row, "llc_misses"), per_token(row, "frontend_stalls"),
               per_token(row, "backend_stalls"), dram_gb_per_s(row)});
  }
  out << '\n';
  table.write(out);
}

std::vector<std::string> counter_notes(const std::vector<BenchRow>& rows) {
  // Counters that lack one and the same thing share a note.
  std::vector<std::string> reasons;
  std::map<std::string, std::vector<std::string>> names;
  bool scaled = false;
  bool dram = false;
  for (const BenchRow& row : rows) {
    scaled = scaled || row.counter_figures.scaled;
    for (const energy::CounterValue& counter : row.counters) {
      if (counter.measured) {
        dram = dram || counter.name.starts_with("dram_");
        continue;
      }
      std::vector<std::string>& same = names[counter.why];
      if (same.empty()) reasons.push_back(counter.why);
      if (std::find(same.begin(), same.end(), counter.name) == same.end()) {
        same.push_back(counter.name);
      }
    }
  }
  std::vector<std::string> notes;
  if (!rows.empty() && !reasons.empty() && std::none_of(rows.begin(), rows.end(), any_measured)) {
    notes.push_back("counters: not measured: " + reasons.front() + "; tern machine has the rest");
    return notes;
  }
  for (const std::string& why : reasons) {
    notes.push_back(fmt::format("counters: {} not measured: {}", fmt::join(names[why], ", "), why));
  }
  if (scaled) {
    notes.emplace_back(
        "counters: \"scaled\" counts ran only a part of the time and are extrapolated from it");
  }
  if (dram) {
    notes.emplace_back("counters: DRAM is what the whole machine read and wrote in the window");
  }
  return notes;
}

}  // namespace tern::harness
