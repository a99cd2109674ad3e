// tern gate: is A worse than B? The answer is the exit code, and says why on stdout, in JUnit XML
// and in Markdown. Whatever it cannot answer is inconclusive, never green.

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "harness/command.h"
#include "harness/compare_options.h"
#include "harness/error.h"
#include "harness/paired_run.h"
#include "harness/report/compare_report.h"

namespace tern::harness {
namespace {

Comparison against_latest(const CompareOptions& options) {
  const Content content =
      options.comparison.metrics.front() == Metric::kAccuracy ? Content::kItems : Content::kTrials;
  std::optional<Side> side;
  if (!options.sides.empty()) side = find_side(options.sides.front(), options.db);
  const std::unique_ptr<RecordStore> store = open_for_reading(options.db);
  if (!side && store != nullptr) side = newest_side(*store, content);
  if (!side) {
    return inconclusive(options.comparison,
                        "no history: the store holds no finished record to judge");
  }
  const std::optional<Side> before =
      store == nullptr ? std::nullopt : previous_side(*store, *side, content);
  if (before) return compare(*side, *before, options.comparison);
  return inconclusive(
      options.comparison,
      fmt::format("no history: the store holds no finished record before {} with the same {}",
                  side->record->id(),
                  content == Content::kItems ? "model and a task in common"
                                             : "machine, model, kernels, settings and a test in "
                                               "common"));
}

Comparison judge_sides(const CompareOptions& options) {
  if (options.against_latest) return against_latest(options);
  const auto [a, b] = options.run.has_value() ? measured_sides(run_paired(*options.run, "gate"))
                                              : named_sides(options.sides, options.db);
  return compare(a, b, options.comparison);
}

[[noreturn]] void fail_write(const char* flag, const std::filesystem::path& path) {
  throw Error(fmt::format("{}: could not write {}: {}", flag, path.string(), std::strerror(errno)));
}

// Whole or not at all: written beside its place and moved there.
void write_junit(const std::filesystem::path& path, const std::string& text) {
  if (path.empty()) return;
  const std::string temporary = path.string() + ".tmp-" + std::to_string(::getpid());
  std::ofstream file(temporary, std::ios::binary);
  file << text;
  file.close();
  if (file && std::rename(temporary.c_str(), path.c_str()) == 0) return;
  const int reason = errno;
  ::unlink(temporary.c_str());
  errno = reason;
  fail_write("--junit", path);
}

// Appended, because a CI summary collects what several steps have to say.
void append_markdown(const std::filesystem::path& path, const std::string& text) {
  if (path.empty()) return;
  std::ofstream file(path, std::ios::binary | std::ios::app);
  file << text << '\n';
  file.close();
  if (!file) fail_write("--markdown", path);
}

}  // namespace

int run_gate(const std::vector<std::string>& args) {
  const std::optional<CompareOptions> options = parse_gate_options(args);
  if (!options.has_value()) return 0;
  const Comparison comparison = judge_sides(*options);
  const std::string text = comparison_text(comparison, options->output, true);
  write_junit(options->junit, comparison_junit(comparison));
  append_markdown(options->markdown, comparison_markdown(comparison, true));
  std::fwrite(text.data(), 1, text.size(), stdout);
  return exit_code(comparison.verdict.verdict);
}

}  // namespace tern::harness
