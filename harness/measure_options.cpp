#include "harness/measure_options.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <system_error>

#include "harness/error.h"
#include "harness/meter_option.h"
#include "harness/parse_command.h"

namespace tern::harness {
namespace {

constexpr int kMostRuns = 100'000;
constexpr double kLongest_s = 86'400;
constexpr const char* kExample = "as in: tern measure -r 5 -- sleep 2";

void check_range(const char* flag, double value, double least, double most) {
  // Written so that NaN is refused too.
  if (value >= least && value <= most) return;
  throw Error(fmt::format("{}: expected {} to {}, got {}", flag, least, most, value));
}

MeasureFormat parse_format(const std::string& text) {
  if (text == "md") return MeasureFormat::kMarkdown;
  if (text == "json") return MeasureFormat::kJson;
  if (text == "jsonl") return MeasureFormat::kJsonl;
  if (text == "csv") return MeasureFormat::kCsv;
  throw Error(fmt::format("-o: expected one of md, json, jsonl, csv, got \"{}\"", text));
}

void check(const MeasureOptions& options) {
  check_range("-r", options.repetitions, 1, kMostRuns);
  check_range("--warmup", options.warmup, 0, kMostRuns);
  check_range("--delay", options.delay_s, 0, kLongest_s);
  check_range("--idle", options.idle_s, 0, kLongest_s);
  std::error_code ignored;
  if (!std::filesystem::is_directory(options.sysroot, ignored)) {
    throw Error(
        fmt::format("--sysroot: expected a folder that holds sys/, got \"{}\"", options.sysroot));
  }
  if (!options.meter.empty() && options.sysroot != "/") {
    throw Error("--meter and --sysroot: expected one of them, got both");
  }
  if (!options.store && !options.db.empty()) {
    throw Error("--no-store and --db: expected one of them, got both");
  }
}

}  // namespace

std::optional<MeasureOptions> parse_measure_options(const std::vector<std::string>& args) {
  const auto separator = std::find(args.begin(), args.end(), "--");
  MeasureOptions options;
  std::string format = "md";
  std::string db;
  bool no_store = false;
  CLI::App app(
      "Time, joules and counters of any command: tern measure [OPTIONS] -- COMMAND [ARGUMENTS]",
      "tern measure");
  app.allow_extras();
  app.add_option("-r,--repetitions", options.repetitions, "How often it is measured [1]");
  app.add_option("--warmup", options.warmup, "Runs before that are not measured [0]");
  app.add_option("--delay", options.delay_s, "Seconds between runs [0]");
  app.add_option("--idle", options.idle_s,
                 "Measures the idle machine for so many seconds before, and gives dynamic energy "
                 "beside the total");
  app.add_option("--meter", options.meter, kMeterHelp);
  app.add_flag("--require-energy", options.require_energy,
               "Exit code 6 when the command succeeded and its energy was not measured");
  app.add_flag("--strict", options.strict,
               "Exit code 5 when the command succeeded and the machine was unfit meanwhile");
  app.add_option("--report", options.report,
                 "Where the report goes: a file, - for stdout [stderr]");
  app.add_option("-o,--output", format, "md, csv, json (the record) or jsonl [md]");
  app.add_option("--db", db, "The store [$XDG_DATA_HOME/tern/tern.db]");
  app.add_flag("--no-store", no_store, "Keeps no record");
  app.add_option("--sysroot", options.sysroot, "Reads meters under this folder instead of /");
  app.footer(
      "The command runs without a shell, with stdin, stdout and stderr as they are. Its exit code "
      "is\npassed on (128 + N when signal N ended it); 125: tern measure itself failed, 126: the "
      "command\ncannot be executed, 127: it was not found.");
  if (!parse_command(app, {args.begin(), separator})) return std::nullopt;
  const std::vector<std::string> extras = app.remaining();
  if (!extras.empty()) {
    throw Error(fmt::format("expected an option, or -- and a command, {}; got \"{}\"", kExample,
                            extras.front()));
  }
  if (separator == args.end() || separator + 1 == args.end()) {
    throw Error(fmt::format("expected -- and a command, {}; got none", kExample));
  }
  options.argv.assign(separator + 1, args.end());
  options.db = db;
  options.store = !no_store;
  options.format = parse_format(format);
  check(options);
  return options;
}

}  // namespace tern::harness
