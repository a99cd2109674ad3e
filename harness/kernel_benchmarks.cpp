#include "harness/kernel_benchmarks.h"

#include <fmt/core.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "harness/digest.h"
#include "harness/error.h"
#include "harness/record_text.h"

namespace tern::harness {
namespace {

using nlohmann::json;

// What Google Benchmark says of every repetition; other numbers are the benchmark's own counters.
const std::set<std::string> kOwnFields = {"family_index", "per_family_instance_index",
                                          "repetitions",  "repetition_index",
                                          "threads",      "iterations",
                                          "real_time",    "cpu_time"};

[[noreturn]] void fail(const std::string& message) {
  throw Error("not results of tern_kernel_bench: " + message);
}

std::string text_at(const json& object, const char* key) {
  const auto field = object.find(key);
  if (field == object.end() || !field->is_string()) {
    fail(fmt::format("expected a string in \"{}\"", key));
  }
  return field->get<std::string>();
}

double number_at(const json& object, const char* key) {
  const auto field = object.find(key);
  if (field == object.end() || !field->is_number()) {
    fail(fmt::format("expected a number in \"{}\" of {}", key, text_at(object, "name")));
  }
  return field->get<double>();
}

// A JSON object that the program put into the context as text.
json context_object(const json& context, const char* key) {
  if (!context.contains(key)) fail(fmt::format("its \"context\" has no \"{}\"", key));
  json object = json::parse(text_at(context, key), nullptr, false);
  if (!object.is_object()) fail(fmt::format("\"{}\" is no JSON object", key));
  return object;
}

// Milliseconds since 1970 of "2026-01-31T12:34:56+01:00" (RFC 3339, whole seconds).
std::int64_t unix_ms(const std::string& date) {
  std::tm tm{};
  int hours = 0, minutes = 0;
  char sign = 'Z';
  const int read =
      std::sscanf(date.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%c%2d:%2d", &tm.tm_year, &tm.tm_mon,
                  &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &sign, &hours, &minutes);
  if (read != 9 && !(read == 7 && sign == 'Z')) {
    fail(fmt::format("its \"date\" is \"{}\"", date));
  }
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  const std::int64_t offset_s = (sign == '-' ? -60 : 60) * (60 * hours + minutes);
  return (std::int64_t{::timegm(&tm)} - offset_s) * 1000;
}

double ns_per_unit(const json& run) {
  const std::string unit = text_at(run, "time_unit");
  if (unit == "ns") return 1;
  if (unit == "us") return 1e3;
  if (unit == "ms") return 1e6;
  if (unit == "s") return 1e9;
  fail(fmt::format("its \"time_unit\" is \"{}\"", unit));
}

json entry_of(const json& run) {
  json entry = {{"name", text_at(run, "name")}};
  if (run.value("error_occurred", false)) {
    entry["why"] = run.value("error_message", "it failed and did not say why");
    return entry;
  }
  const double unit_ns = ns_per_unit(run);
  entry["iterations"] = static_cast<std::int64_t>(number_at(run, "iterations"));
  entry["real_time_ns"] = number_at(run, "real_time") * unit_ns;
  entry["cpu_time_ns"] = number_at(run, "cpu_time") * unit_ns;
  for (const auto& [key, value] : run.items()) {
    if (value.is_number() && !kOwnFields.contains(key)) entry["counters"][key] = value;
  }
  return entry;
}

json entries_of(const json& runs) {
  json entries = json::array();
  for (const json& run : runs) {
    if (!run.is_object()) fail("expected objects in \"benchmarks\"");
    if (run.value("run_type", "iteration") == "iteration") entries.push_back(entry_of(run));
  }
  if (entries.empty()) fail("\"benchmarks\" holds no repetition");
  return entries;
}

std::array<std::uint64_t, 2> bits_of(const std::string& sha256) {
  return {std::stoull(sha256.substr(0, 16), nullptr, 16),
          std::stoull(sha256.substr(16, 16), nullptr, 16)};
}

std::string counter(const json& entry, const char* key, double factor, int decimals) {
  if (!entry.contains("counters") || !entry["counters"].contains(key)) return "";
  return fmt::format("{:.{}f}", entry["counters"][key].get<double>() * factor, decimals);
}

}  // namespace

bool is_google_benchmark(const json& document) {
  return document.is_object() && document.contains("context") && document.contains("benchmarks");
}

Record kernel_benchmark_record(const json& document) try {
  const json& context = document.at("context");
  if (!context.is_object() || !document.at("benchmarks").is_array()) {
    fail("expected an object in \"context\" and an array in \"benchmarks\"");
  }
  Record record =
      Record::begin_at(unix_ms(text_at(context, "date")), bits_of(sha256_of(document.dump())));
  json& made = record.document();
  made["tern"] = context_object(context, "tern_build");
  made["machine"] = context_object(context, "tern_machine");
  made["protocol"] = {{"command", "tern_kernel_bench"}};
  made["kernel_benchmarks"] = entries_of(document.at("benchmarks"));
  made["status"] = "ok";
  for (const json& entry : made["kernel_benchmarks"]) {
    if (!entry.contains("why")) continue;
    made["status"] = "failed";
    made["reasons"].push_back(entry["name"].get<std::string>() + ": " +
                              entry["why"].get<std::string>());
  }
  return record;
} catch (const json::exception& error) {
  fail(error.what());
}

std::string kernel_benchmarks_markdown(const Record& record) {
  const json& document = record.document();
  if (!document.contains("kernel_benchmarks")) return "";
  std::vector<std::vector<std::string>> rows;
  for (const json& entry : document["kernel_benchmarks"]) {
    const std::string name = entry.at("name").get<std::string>();
    if (entry.contains("why")) {
      rows.push_back({name, "n/m", "", "", entry["why"].get<std::string>()});
      continue;
    }
    rows.push_back({name, fmt::format("{:.1f}", entry.at("real_time_ns").get<double>() * 1e-3),
                    counter(entry, "GB/s", 1, 2), counter(entry, "GMAC/s", 1, 1),
                    counter(entry, "share", 100, 1)});
  }
  return markdown_table({"kernel", "µs", "GB/s", "GMAC/s", "% of limit"}, rows);
}

}  // namespace tern::harness
