#include "harness/eval_output.h"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <cmath>
#include <iostream>
#include <system_error>

#include "harness/error.h"
#include "harness/report_file.h"

namespace tern::harness {

namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& output) { return output.extension() == ".json"; }

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && !fs::is_directory(folder)) error = std::make_error_code(std::errc::not_a_directory);
  if (!error && ::access(folder.c_str(), W_OK | X_OK) != 0)
    error.assign(errno, std::system_category());
  if (!error) return;
  throw Error(fmt::format("--output_path: expected a folder to write to, got {}: {}",
                          folder.string(), error.message()));
}

fs::path folder_of(const fs::path& output) {
  if (!is_file(output)) return output;
  return output.has_parent_path() ? output.parent_path() : fs::path(".");
}

// Python's datetime.isoformat() with dashes for colons: "2026-08-21T12-34-56.789012", local time.
std::string time_name(double unix_s) {
  const double whole = std::floor(unix_s);
  const auto seconds = static_cast<time_t>(whole);
  tm local{};
  ::localtime_r(&seconds, &local);
  char text[32];
  ::strftime(text, sizeof text, "%Y-%m-%dT%H-%M-%S", &local);
  return fmt::format("{}.{:06}", text, static_cast<int>((unix_s - whole) * 1e6));
}

// What the report has of one of its models, as if it had been alone.
EvalReport report_of(const EvalReport& report, std::size_t subject) {
  EvalReport one = report;
  if (subject == 0) return one;  // which keeps the baselines and how they differ
  const EvalReport::Baseline& baseline = report.baselines.at(subject - 1);
  one.model = baseline.model;
  one.subject = baseline.name;
  one.parameters = baseline.parameters;
  one.chat = baseline.chat;
  one.baselines.clear();
  one.runs.clear();
  for (const TaskRun& run : report.runs) {
    if (run.subject != subject) continue;
    one.runs.push_back(run);
    one.runs.back().subject = 0;
  }
  return one;
}

void write_file(const fs::path& path, const std::string& text) {
  ReportFile(path.string(), "--output_path").write(text);
}

void write_files(const EvalReport& report, const std::string& suffix, const EvalOptions& options) {
  const std::string time = time_name(report.date_unix_s);
  fs::path folder = folder_of(options.output);
  std::string name = "results";
  if (is_file(options.output)) {
    name = options.output.stem().string() + suffix;
  } else {
    folder /= sanitized_name(report.model.empty() ? report.answers : report.model) + suffix;
    make_folder(folder);
  }
  const Samples samples = options.log_samples ? Samples::kHashes : Samples::kNone;
  write_file(folder / fmt::format("{}_{}.json", name, time), eval_json(report, samples) + "\n");
  if (!options.log_samples) return;
  for (const TaskRun& run : report.runs) {
    if (run.subject != 0) continue;
    write_file(folder / fmt::format("samples_{}{}_{}.jsonl", run.task->info().name,
                                    is_file(options.output) ? suffix : "", time),
               eval_samples(report, run));
  }
}

}  // namespace

void prepare_output(const EvalOptions& options) {
  if (!options.output.empty()) make_folder(folder_of(options.output));
}

void write_eval_report(const EvalReport& report, const EvalOptions& options) {
  const Samples samples = options.log_samples ? Samples::kAll : Samples::kNone;
  std::cout << (options.json ? eval_json(report, samples) + "\n" : eval_markdown(report))
            << std::flush;
  if (options.output.empty()) return;
  for (std::size_t subject = 0; subject <= report.baselines.size(); ++subject) {
    std::string suffix;
    if (subject > 0) suffix = "__" + sanitized_name(report.baselines[subject - 1].name);
    write_files(report_of(report, subject), suffix, options);
  }
}

}  // namespace tern::harness
