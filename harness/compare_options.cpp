#include "harness/compare_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <utility>

#include "harness/error.h"
#include "harness/options.h"
#include "harness/parse_command.h"

namespace tern::harness {
namespace {

constexpr const char* kCompareHelp =
    "Two sets of results: ratio A / B with its interval, p, the loss that this many samples could\n"
    "have shown, and the verdict that tern gate would give. A and B are each the id of a record, "
    "a\n"
    "file of records (JSON or JSONL) or a store, with @SUBJECT for one of its subjects; one "
    "record\n"
    "alone compares its first two subjects. Commands that tern measure ran are compared in wall "
    "time,\n"
    "CPU time and joules. -m A -m B measures two models now, pair by pair.";
constexpr const char* kGateHelp =
    "For CI: is A slower (or hungrier, or less accurate) than B? Exit code 0 pass, 3 regression, "
    "4\n"
    "inconclusive. A and B as for tern compare, or A --against latest (the previous record of the\n"
    "same machine, model, kernels and settings; A is the newest record unless it is named), or\n"
    "-m NEW --baseline OLD, or --aa -m MODEL (a model against itself: must pass).";

// Options of tern bench that say what is measured; they are read by its parser.
struct RunFlag {
  const char* declared;
  const char* forwarded;
  const char* type;
  const char* help;
};
constexpr RunFlag kRunFlags[] = {
    {"-p,--n-prompt", "-p", "N", "prompt tokens [512]"},
    {"-n,--n-gen", "-n", "N", "generated tokens [128]"},
    {"--pg", "--pg", "P,G", "-pg: prompt and generation in one window"},
    {"-d,--n-depth", "-d", "N", "tokens in the cache before each test [0]"},
    {"--parallel", "--parallel", "N", "-npl: sequences that generate together [1]"},
    {"-b,--batch-size", "-b", "N", "[2048]"},
    {"--ubatch-size", "--ubatch-size", "N", "-ub: tokens evaluated together [512]"},
    {"--cache-type-k", "--cache-type-k", "TYPE", "-ctk: f16 or f32 [f16]"},
    {"--cache-type-v", "--cache-type-v", "TYPE", "-ctv: f16 or f32 [f16]"},
    {"-t,--threads", "-t", "N", "[physical cores]"},
    {"-r,--repetitions", "-r", "N", "pairs per test [10]"},
    {"--delay", "--delay", "N", "seconds of rest before each test [0]"},
    {"--kernels", "--kernels", "ROW", "force a kernels row (see tern machine)"},
    {"--ternary-bits", "--ternary-bits", "BITS", kTernaryBitsHelp},
};

// What the user typed, before it is checked.
struct Raw {
  std::vector<std::string> sides, models;
  std::vector<std::vector<std::string>> run =
      std::vector<std::vector<std::string>>(std::size(kRunFlags));
  bool no_warmup = false, progress = false, unpaired = false, self_test = false;
  std::string alpha, min_effect, metric, baseline, against, output = "md", db, junit, markdown;
};

void declare_shared(CLI::App& app, Raw& raw) {
  app.add_option("SIDE", raw.sides, "A, then B")->expected(0, 2)->type_name("");
  app.add_option("-m,--model", raw.models, "a model to measure now")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("MODEL");
  for (std::size_t i = 0; i < std::size(kRunFlags); ++i) {
    const RunFlag& flag = kRunFlags[i];
    app.add_option(flag.declared, raw.run[i], flag.help)
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name(flag.type)
        ->group("Measuring now");
  }
  app.add_flag("--no-warmup", raw.no_warmup, "skip the warm-up before each test")
      ->group("Measuring now");
  app.add_flag("--progress", raw.progress, "one line per repetition on stderr")
      ->group("Measuring now");
  app.add_option("--alpha", raw.alpha, "share of false alarms allowed [0.01]")->type_name("P");
  app.add_option("--min-effect", raw.min_effect, "the smallest loss that matters [2%]")
      ->type_name("PERCENT");
  app.add_flag("--unpaired", raw.unpaired,
               "judge separate runs too, though drift between them is not controlled");
  app.add_option("-o,--output", raw.output, "md, csv, json or jsonl, on stdout [md]")
      ->type_name("FORMAT");
  app.add_option("--db", raw.db, "the store of results")->type_name("PATH");
}

double number(const std::string& text, const char* flag, const char* expected) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value == value)) {
    throw Error(fmt::format("{}: expected {}, got \"{}\"", flag, expected, text));
  }
  return value;
}

double parse_alpha(const std::string& text) {
  constexpr const char* kExpected = "a number above 0 and below 0.5";
  const double alpha = number(text, "--alpha", kExpected);
  if (alpha > 0 && alpha < 0.5) return alpha;
  throw Error(fmt::format("--alpha: expected {}, got \"{}\"", kExpected, text));
}

// "2%" or "0.02"
double parse_min_effect(std::string text) {
  constexpr const char* kExpected = "a percentage such as 2% (or 0.02), at least 0 and below 100%";
  const std::string given = text;
  const bool percent = text.ends_with('%');
  if (percent) text.pop_back();
  const double share = number(text, "--min-effect", kExpected) / (percent ? 100 : 1);
  if (share >= 0 && share < 1) return share;
  throw Error(fmt::format("--min-effect: expected {}, got \"{}\"", kExpected, given));
}

Metric parse_metric(const std::string& text) {
  for (const Metric metric : {Metric::kSpeed, Metric::kEnergy, Metric::kAccuracy}) {
    if (text == name(metric)) return metric;
  }
  throw Error(fmt::format("--metric: expected speed, energy or accuracy, got \"{}\"", text));
}

bool run_flags_given(const Raw& raw) {
  for (const auto& values : raw.run) {
    if (!values.empty()) return true;
  }
  return raw.no_warmup || raw.progress;
}

// The study that tern bench's parser makes of these flags; candidate against reference.
BenchOptions run_options(const Raw& raw, const std::string& candidate,
                         const std::string& reference) {
  std::vector<std::string> args = {"-m", candidate, "--baseline", reference};
  bool pairs = false;
  for (std::size_t i = 0; i < std::size(kRunFlags); ++i) {
    for (const std::string& value : raw.run[i]) {
      args.insert(args.end(), {kRunFlags[i].forwarded, value});
      pairs = pairs || std::string_view(kRunFlags[i].forwarded) == "-r";
    }
  }
  if (!pairs) args.insert(args.end(), {"-r", std::to_string(kDefaultGatePairs)});
  if (raw.no_warmup) args.emplace_back("--no-warmup");
  if (raw.progress) args.emplace_back("--progress");
  BenchOptions options = parse_bench_options(args).value();
  if (options.configurations.size() != 1) {
    throw Error(fmt::format(
        "expected one model, one number of threads and one of each batch size and cache type, got "
        "{} combinations",
        options.configurations.size()));
  }
  options.db = raw.db;
  return options;
}

void check_model_name(const std::string& model, const char* flag) {
  if (!model.empty() && model != "auto" && model != "none") return;
  throw Error(fmt::format("{}: expected a model, got \"{}\"", flag, model));
}

void check_format(OutputFormat format) {
  if (format != OutputFormat::kSql) return;
  throw Error("-o: expected md, csv, json or jsonl, got \"sql\"");
}

CompareOptions shared_options(const Raw& raw) {
  CompareOptions options;
  options.output = parse_output_format(raw.output, "-o");
  check_format(options.output);
  options.db = raw.db;
  GateRule& rule = options.comparison.rule;
  if (!raw.alpha.empty()) rule.alpha = parse_alpha(raw.alpha);
  if (!raw.min_effect.empty()) rule.min_effect = parse_min_effect(raw.min_effect);
  options.comparison.allow_unpaired = raw.unpaired;
  options.sides = raw.sides;
  if (raw.models.empty() && run_flags_given(raw)) {
    throw Error("options of a measurement are given, but no model to measure: expected -m MODEL");
  }
  if (!raw.models.empty() && !raw.sides.empty()) {
    throw Error(fmt::format(
        "expected either records or models to measure, got the record \"{}\" and the model \"{}\"",
        raw.sides.front(), raw.models.front()));
  }
  return options;
}

// Before anything is measured: minutes must not be lost to a path that cannot be written.
void check_folder(const std::filesystem::path& path, const char* flag) {
  if (path.empty()) return;
  std::error_code ignored;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  if (!std::filesystem::is_directory(folder, ignored)) {
    throw Error(fmt::format("{}: there is no folder {}", flag, folder.string()));
  }
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(fmt::format("{}: expected a file, got the folder {}", flag, path.string()));
  }
}

void choose_gate_sides(const Raw& raw, CompareOptions& options) {
  if (raw.self_test) {
    if (raw.models.size() != 1 || !raw.baseline.empty() || !raw.against.empty()) {
      throw Error("--aa: expected one model, -m MODEL, and nothing to hold it against");
    }
    options.run = run_options(raw, raw.models[0], raw.models[0]);
  } else if (!raw.models.empty()) {
    if (raw.models.size() != 1 || raw.baseline.empty() || !raw.against.empty()) {
      throw Error("expected -m NEW --baseline OLD to measure two models now");
    }
    check_model_name(raw.baseline, "--baseline");
    options.run = run_options(raw, raw.models[0], raw.baseline);
  } else if (!raw.baseline.empty()) {
    throw Error("--baseline: expected -m NEW beside it; two records are tern gate A B");
  } else if (raw.against == "latest") {
    if (raw.sides.size() > 1)
      throw Error("--against latest: expected at most one record beside it");
    options.against_latest = true;
  } else if (!raw.against.empty()) {
    if (raw.sides.size() != 1) throw Error("--against: expected one record, A, to hold against it");
    options.sides.push_back(raw.against);
  } else if (raw.sides.empty()) {
    throw Error(
        "what is to be judged? Expected A B, A --against latest, -m NEW --baseline OLD, or --aa -m "
        "MODEL");
  }
}

}  // namespace

std::optional<CompareOptions> parse_compare_options(const std::vector<std::string>& args) {
  Raw raw;
  CLI::App app(kCompareHelp, "tern compare");
  declare_shared(app, raw);
  if (!parse_command(app, args)) return std::nullopt;
  CompareOptions options = shared_options(raw);
  if (!raw.models.empty()) {
    if (raw.models.size() != 2) {
      throw Error(fmt::format("-m: expected two models, -m A -m B, got {}", raw.models.size()));
    }
    check_model_name(raw.models[1], "-m");
    options.run = run_options(raw, raw.models[0], raw.models[1]);
  } else if (raw.sides.empty()) {
    throw Error("what is to be compared? Expected A B, one record, or -m A -m B");
  }
  return options;
}

std::optional<CompareOptions> parse_gate_options(const std::vector<std::string>& args) {
  Raw raw;
  CLI::App app(kGateHelp, "tern gate");
  declare_shared(app, raw);
  app.add_option("--against", raw.against, "latest, or the record to hold A against")
      ->type_name("B");
  app.add_option("--baseline", raw.baseline, "the model to hold -m against")->type_name("MODEL");
  app.add_flag("--aa", raw.self_test, "a self-test: -m MODEL against itself");
  app.add_option("--metric", raw.metric, "speed, energy or accuracy [speed]")->type_name("METRIC");
  app.add_option("--junit", raw.junit, "write JUnit XML")->type_name("FILE");
  app.add_option("--markdown", raw.markdown, "append the table, as a CI summary wants it")
      ->type_name("FILE");
  if (!parse_command(app, args)) return std::nullopt;
  CompareOptions options = shared_options(raw);
  options.comparison.metrics = {raw.metric.empty() ? Metric::kSpeed : parse_metric(raw.metric)};
  options.junit = raw.junit;
  options.markdown = raw.markdown;
  check_folder(options.junit, "--junit");
  check_folder(options.markdown, "--markdown");
  choose_gate_sides(raw, options);
  return options;
}

}  // namespace tern::harness
