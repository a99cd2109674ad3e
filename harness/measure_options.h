#pragma once
// The command line of `tern measure`: its own options, "--", and the command, which is taken as it
// is.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tern::harness {

enum class MeasureFormat { kMarkdown, kJson, kJsonl, kCsv };

struct MeasureOptions {
  std::vector<std::string> argv;  // the command; at least its name
  int repetitions = 1;
  int warmup = 0;      // runs before them that are not measured
  double delay_s = 0;  // between runs
  double idle_s = 0;   // how long the idle machine is measured before; 0: not
  bool require_energy = false;
  bool strict = false;  // exit code 5 where the environment was unfit
  std::string meter;    // as --meter names it; empty: the best one of this machine
  bool store = true;
  std::string sysroot = "/";
  std::filesystem::path db;  // empty: the default store
  std::string report;        // empty: stderr; "-": stdout; otherwise a file
  MeasureFormat format = MeasureFormat::kMarkdown;
};

// nullopt when help was asked for and has been printed. Throws Error on a bad command line.
std::optional<MeasureOptions> parse_measure_options(const std::vector<std::string>& args);

}  // namespace tern::harness
