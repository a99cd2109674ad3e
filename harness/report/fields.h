#pragma once
// A row as named scalar values, in order: what the csv, json and sql writers share.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "harness/report/bench_report.h"

namespace tern::harness {

struct Field {
  std::string name;
  std::variant<std::int64_t, double, bool, std::string> value;
  bool absent = false;  // was not measured; value only tells the type
};

// llama-bench's fields with its names, types and order.
std::vector<Field> llama_bench_fields(const BenchRow& row);

// Ours, flat, for formats without nesting.
std::vector<Field> tern_fields(const BenchRow& row);

// A ratio as ours have it: tern_ratio, _low, _high, _pairs, _why.
std::vector<Field> ratio_fields(const std::optional<PairedRatio>& ratio, const std::string& why);

// Whether a report has joules to show in full; else formats leave the fields below out.
bool has_energy_fields(const BenchReport& report);

// Joules of a row in full: EDP, uncertainties, dynamic energy, and the ratio of joules with its
// saving.
std::vector<Field> energy_fields(const BenchRow& row);

std::string utc_time(std::int64_t unix_ns);  // RFC 3339, "2026-11-23T03:17:50Z"

}  // namespace tern::harness
