#pragma once
// The command line of `tern compare` and `tern gate`. Reading it checks every value; it loads and
// writes nothing.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/bench_options.h"
#include "harness/comparison.h"

namespace tern::harness {

struct CompareOptions {
  // Exactly one of these is set.
  std::vector<std::string> sides;  // one or two of: record, file of records, store; each [@SUBJECT]
  std::optional<BenchOptions> run;  // two models to measure now
  bool against_latest = false;      // with at most one side

  ComparisonOptions comparison;
  OutputFormat output = OutputFormat::kMarkdown;
  std::filesystem::path db;               // empty: the default store
  std::filesystem::path junit, markdown;  // empty: none
};

// nullopt when help was asked for and printed. Throws Error (exit code 2).
std::optional<CompareOptions> parse_compare_options(const std::vector<std::string>& args);
std::optional<CompareOptions> parse_gate_options(const std::vector<std::string>& args);

}  // namespace tern::harness
