#pragma once
// The command line of `tern bench`: llama-bench's flags, lists, ranges and defaults, plus our own.
// Reading it checks every value; it loads and writes nothing.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/model.h"
#include "harness/report/writer.h"
#include "harness/subject.h"
#include "kernels/attention/attention.h"

namespace tern::harness {

// One combination of the listed parameters; everything in one record has the same one.
struct BenchConfiguration {
  std::string model;
  int threads = 0;
  int batch = 0;
  int ubatch = 0;
  int poll = 0;
  kernels::CacheType cache_k = kernels::CacheType::kF16;
  kernels::CacheType cache_v = kernels::CacheType::kF16;
};

// llama-bench's defaults, which also decide the columns of the table.
inline constexpr int kDefaultBatch = 2048;
inline constexpr int kDefaultUbatch = 512;
inline constexpr int kDefaultPoll = 50;
inline constexpr const char* kQuickModel = "synth:bitnet-b1.58-2b4t";

struct BenchOptions {
  std::vector<BenchConfiguration> configurations;  // models outermost
  std::vector<TestCase> tests;
  int pairs = 5;
  int delay_s = 0;
  int idle_s = 0;  // of idle windows before the trials, and as many after them; 0: none
  bool warmup = true;
  bool progress = false;  // one line per trial where there is no terminal
  bool quick = false;
  bool tests_given = false;  // -p, -n, -pg, -d or -npl: --quick keeps them
  bool model_given = false;
  bool pairs_given = false;
  bool print_record = false;
  bool strict = false;  // exit code 5 where the environment was unfit
  bool require_energy = false;
  std::string meter;              // as --meter names it; empty: the best one of this machine
  bool roofline = false;          // limits by thread count, and where each test sits
  bool phases = false;            // an extra pass per test that says where the time goes
  int meter_cost = 0;             // pairs of trials with the meter on and off; 0: none
  bool estimate = false;          // the papers' model of energy, apart from what is measured
  std::string kernels;            // empty: the best row
  engine::ModelOptions model;     // of all models
  std::string baseline = "auto";  // names of twins, "none" or a model: see baselines.h
  OutputFormat output = OutputFormat::kMarkdown;
  std::optional<OutputFormat> output_err;
  std::filesystem::path db;  // empty: the default store
};

// nullopt when help was asked for and printed. Throws Error (exit code 2).
std::optional<BenchOptions> parse_bench_options(const std::vector<std::string>& args);

// llama.cpp's --poll is a level from 0 to 100; here it is how long an idle worker spins before it
// parks. Linear, with llama-bench's default (50) on our pool's default (200 µs).
int spin_microseconds(int poll) noexcept;

}  // namespace tern::harness
