// tern machine: what this machine is, what works here, and why the rest does not.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/thread_pool.h"
#include "harness/build_info.h"
#include "harness/command.h"
#include "harness/doctor.h"
#include "harness/doctor_checks.h"
#include "harness/error.h"
#include "harness/limits.h"
#include "harness/machine.h"
#include "harness/options.h"
#include "harness/parse_command.h"
#include "harness/record_text.h"
#include "harness/report/doctor_text.h"
#include "kernels/cpu_features.h"
#include "kernels/dispatch.h"

namespace tern::harness {
namespace {

using nlohmann::json;

constexpr const char* kOtherMachine =
    "not measured: --sysroot shows another machine's files; kernels and core counters are those of "
    "this one";

json kernel_rows(const kernels::KernelTable& chosen) {
  const kernels::CpuFeatures cpu = kernels::detect_cpu();
  json rows = json::array();
  for (const auto tables : {kernels::compiled_tables(), kernels::inexact_tables()}) {
    for (const kernels::KernelTable& table : tables) {
      const std::string why = kernels::why_not(table.required, cpu);
      json row = {{"name", table.name},
                  {"usable", why.empty()},
                  {"chosen", &table == &chosen},
                  {"exact", table.half.exact},
                  {"why", why}};
      if (!table.half.exact) row["detail"] = "BF16 weights rounded by the CPU: only when asked for";
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

// What one thread and what all cores read from memory, and multiply and add between registers. An
// operation is a multiplication or an addition.
json limits(const kernels::KernelTable& table) {
  json bandwidths = json::array();
  json peaks = json::array();
  for (const int threads : std::set<int>{1, engine::physical_cores()}) {
    engine::ThreadPool pool({.threads = threads});
    bandwidths.push_back(
        {{"threads", threads}, {"gb_per_s", measure_read_bandwidth(pool, table) / 1e9}});
    const ComputePeaks peak = measure_compute_peaks(pool, table);
    json row = {{"threads", threads},
                {"int8_gops_per_s", 2 * peak.int8_macs_per_s / 1e9},
                {"fp32_gflops_per_s", 2 * peak.fp32_macs_per_s / 1e9}};
    if (!table.half.exact) row["bf16_gflops_per_s"] = 2 * peak.bf16_macs_per_s / 1e9;
    peaks.push_back(std::move(row));
  }
  return {{"kernels", table.name},
          {"read_bandwidth", std::move(bandwidths)},
          {"compute", std::move(peaks)}};
}

std::string number_of(const json& object, const char* key, const char* unit) {
  if (!object.contains(key)) return "";
  const auto n = object[key].get<std::int64_t>();
  return fmt::format(", {} {}{}", n, unit, n == 1 ? "" : "s");
}

std::string cache_text(const json& caches) {
  std::string text;
  for (const json& cache : caches) {
    const std::string type = cache.at("type");
    const char* suffix = type == "Data" ? "d" : type == "Instruction" ? "i" : "";
    text +=
        fmt::format("{}L{}{} {} x {}", text.empty() ? "" : ", ", cache.at("level").get<int>(),
                    suffix, cache.at("instances").get<int>(), cache.at("size").get<std::string>());
  }
  return text.empty() ? "unknown" : text;
}

std::string facts_text(const json& facts, const json& environment) {
  const json& topology = facts.at("topology");
  std::string text = fmt::format(
      "cpu       {}, {}{}{}{}{}\n", facts.at("cpu").at("name").get<std::string>(),
      facts.at("architecture").get<std::string>(), number_of(topology, "packages", "package"),
      number_of(topology, "cores", "core"), number_of(topology, "threads", "thread"),
      number_of(topology, "numa_nodes", "NUMA node"));
  text += "caches    " + cache_text(facts.at("caches")) + "\n";
  if (facts.contains("memory")) {
    constexpr double kGib = 1024.0 * 1024 * 1024;
    text +=
        fmt::format("memory    {:.1f} GiB", facts["memory"]["total_bytes"].get<double>() / kGib);
    if (environment.contains("memory_available_bytes")) {
      text += fmt::format(", {:.1f} GiB available",
                          environment["memory_available_bytes"].get<double>() / kGib);
    }
    text += "\n";
  }
  text += fmt::format("system    {}, {}, virtualisation: {}\n", facts.value("os", "unknown OS"),
                      facts.value("kernel", "unknown kernel"),
                      environment.at("virtualization").get<std::string>());
  text += fmt::format("identity  {:.12}\n", facts.at("hash").get<std::string>());
  const BuildInfo& build = build_info();
  return text + fmt::format("tern      {} ({}), {}, {}\n", build.version, build.commit,
                            build.compiler, build.build_type);
}

std::string kernels_text(const json& rows) {
  std::vector<std::vector<std::string>> cells;
  for (const json& row : rows) {
    const bool usable = row.at("usable");
    std::string note = usable ? row.value("detail", "") : row.at("why").get<std::string>();
    if (row.value("chosen", false)) note = "chosen here";
    cells.push_back({row.at("name"), usable ? "yes" : "no", note});
  }
  return "\n" + markdown_table({"kernels", "usable", "note"}, cells);
}

std::string limits_text(const json& limits) {
  std::vector<std::vector<std::string>> cells;
  const json& peaks = limits.at("compute");
  const bool bf16 = peaks.front().contains("bf16_gflops_per_s");
  for (std::size_t i = 0; i < peaks.size(); ++i) {
    const auto figure = [](const json& row, const char* key) {
      return fmt::format("{:.1f}", row.at(key).get<double>());
    };
    cells.push_back({std::to_string(peaks[i].at("threads").get<int>()),
                     figure(limits.at("read_bandwidth")[i], "gb_per_s"),
                     figure(peaks[i], "int8_gops_per_s"), figure(peaks[i], "fp32_gflops_per_s")});
    if (bf16) cells.back().push_back(figure(peaks[i], "bf16_gflops_per_s"));
  }
  std::vector<std::string> titles = {"threads", "memory read, GB/s", "int8 dot, Gop/s",
                                     "FP32 fma, Gflop/s"};
  if (bf16) titles.push_back("BF16 dot, Gflop/s");
  return "\n" + markdown_table(titles, cells);
}

}  // namespace

int run_machine(const std::vector<std::string>& args) {
  std::string format = "md";
  std::string row;
  std::string sysroot = "/";
  CLI::App app(
      "This machine: which kernels, meters and counters work here, and what to type where\n"
      "one does not. It measures the limits and changes nothing.",
      "tern machine");
  app.add_option("-o,--output", format, "md or json");
  app.add_option("--kernels", row, "The row of kernels that measures the limits");
  app.add_option("--sysroot", sysroot,
                 "Read /sys, /proc and /etc below this folder: another machine's copy, or a test");
  if (!parse_command(app, args)) return 0;
  if (format != "md" && format != "json") {
    throw Error(fmt::format("-o: expected one of md, json, got \"{}\"", format));
  }
  if (!std::filesystem::is_directory(sysroot)) {
    throw Error(fmt::format("--sysroot: expected a folder, got \"{}\"", sysroot));
  }
  const kernels::KernelTable& table = kernels_row(row);
  const bool here = std::filesystem::equivalent(sysroot, "/");
  json result = {{"machine", machine_facts(sysroot)},
                 {"environment", environment_snapshot(sysroot)},
                 {"kernels", kernel_rows(table)}};
  const json& environment = result["environment"];
  const json& meters = result["meters"] = meter_rows(sysroot, environment);
  const json& counters = result["counters"] = counter_rows(sysroot);
  const json& checks = result["checks"] = check_rows(sysroot, environment, build_info().optimized);
  result["limits"] = here ? limits(table) : json{{"why", kOtherMachine}};
  if (format == "json") {
    fmt::print("{}\n", result.dump(2, ' ', false, json::error_handler_t::replace));
    return 0;
  }
  fmt::print("{}{}{}{}{}{}", facts_text(result["machine"], environment),
             doctor_summary(meters, counters), kernels_text(result["kernels"]),
             doctor_tables(meters, counters, checks),
             here ? limits_text(result["limits"]) : fmt::format("\nlimits: {}\n", kOtherMachine),
             doctor_remedies(meters, counters, checks));
  return 0;
}

}  // namespace tern::harness
