#pragma once
// The command line of `tern eval`: lm_eval's words for what is asked, llama-bench's for how it
// runs. Reading it checks every value; it loads and writes nothing.

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/model.h"
#include "evals/fewshot.h"
#include "evals/task.h"
#include "harness/shard.h"
#include "kernels/attention/attention.h"

namespace tern::harness {

enum class EvalMode { kRun, kScoreResponses, kPrintPrompts, kMerge, kFetch };

// Items asked at once where --batch_size auto finds room for the caches of so many: a micro-batch
// of 512 tokens is then full of short questions, and the weights are read for as many texts at a
// time.
inline constexpr int kMostAutoBatch = 32;

struct EvalOptions {
  EvalMode mode = EvalMode::kRun;
  std::vector<std::string> tasks;
  std::optional<double> limit;  // documents per task; below 1: that share of them
  std::optional<int> num_fewshot;
  // Of Python's, numpy's and torch's generators, which decide nothing here, and of the few-shot
  // draws; lm_eval's defaults.
  std::array<std::uint32_t, 4> seeds = {0, 1234, 1234, evals::kFewshotSeed};
  std::string model;
  std::string tokenizer;            // empty: the model's own
  std::filesystem::path data;       // empty: looked for
  std::filesystem::path responses;  // kScoreResponses
  std::vector<std::string> merge;   // kMerge: files of records, or ids
  std::filesystem::path db;         // empty: the default store
  std::filesystem::path output;     // a folder, or FILE.json: lm_eval's files; empty: none
  Shard shard;                      // the part of the documents that is asked for
  std::string baseline = "none";    // as for `tern bench`
  bool fp16_twin = false;
  evals::PromptStyle style;
  std::string chat_template;  // where it is read from; empty: where the tokenizer is
  bool resume = false;
  bool json = false;
  bool log_samples = false;
  bool require_energy = false;
  std::string meter;      // as --meter names it; empty: the best one of this machine
  bool strict = false;    // exit code 5 where the environment was unfit
  bool progress = false;  // one line per item where there is no terminal
  int threads = 0;        // 0: physical cores
  int context = 0;        // 0: the model's, at most kDefaultEvalContext
  int ubatch = 0;
  int batch = 1;        // items asked at once; 0: as many as the caches have room for
  std::string kernels;  // empty: the best row
  engine::ModelOptions model_options;
  kernels::CacheType cache_k = kernels::CacheType::kF16;
  kernels::CacheType cache_v = kernels::CacheType::kF16;
};

// Few models were trained further, and a cache for more would take memory that no task here needs.
inline constexpr int kDefaultEvalContext = 4096;

// nullopt when help was asked for and printed. Throws Error (exit code 2).
std::optional<EvalOptions> parse_eval_options(const std::vector<std::string>& args);

// Documents of a task of `size` that a limit leaves: all, the first N, or that share rounded up, as
// lm_eval does.
std::size_t limited(std::size_t size, const std::optional<double>& limit) noexcept;

}  // namespace tern::harness
