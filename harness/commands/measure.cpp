// `tern measure -- CMD`: time, joules and counters of any command. It stays out of the command's
// way: no shell, the streams as they are, signals passed on, its exit code as our own.

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "energy/platform.h"
#include "harness/command.h"
#include "harness/command_series.h"
#include "harness/doctor.h"
#include "harness/error.h"
#include "harness/fitness.h"
#include "harness/idle.h"
#include "harness/machine.h"
#include "harness/measure_options.h"
#include "harness/meter_option.h"
#include "harness/record_store.h"
#include "harness/report/measure_report.h"
#include "harness/report_file.h"

namespace tern::harness {
namespace {

using nlohmann::json;

constexpr int kOwnFailure = 125;
constexpr int kUnfit = 5;
constexpr int kNoEnergy = 6;
constexpr std::size_t kMostDescription = 200;

// A stream that is closed stays closed for the command, but nothing of ours may take its place.
void reserve_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    if (::open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) return;
  }
}

void complain(const std::string& sentence) { fmt::print(stderr, "tern measure: {}\n", sentence); }

bool is_fake(const std::string& sysroot) { return sysroot != "/"; }

json protocol_part(const MeasureOptions& options) {
  json protocol = {
      {"command", "measure"},       {"repetitions", options.repetitions},
      {"warmup", options.warmup},   {"delay_s", options.delay_s},
      {"clock", "CLOCK_MONOTONIC"}, {"counters", "user mode, of the command and its descendants"}};
  if (is_fake(options.sysroot)) protocol["sysroot"] = options.sysroot;
  return protocol;
}

json idle_part(const IdlePower& idle) {
  json part = {{"seconds", idle.seconds}};
  for (const energy::EnergyDelta& block : idle.blocks) part["blocks"].push_back(to_json(block));
  if (!idle.why.empty()) part["why"] = idle.why;
  return part;
}

class MeasureRun final : SeriesListener {
 public:
  explicit MeasureRun(MeasureOptions options);
  int run();

 private:
  void begin_record();
  SeriesOutcome run_commands();
  void finish_record(const SeriesOutcome& outcome);
  void add_remedies();
  std::string report() const;
  std::string kept_where() const;
  int exit_code(const SeriesOutcome& outcome) const;
  template <class F>
  void keep(F&& work);

  void on_trial(const Trial& trial) override;

  MeasureOptions options_;
  ReportFile report_;
  std::optional<RecordStore> store_;  // none: not asked for, or it failed
  std::string store_failure_;
  std::unique_ptr<energy::EnergyMeter> meter_;
  Record record_;
  std::vector<std::string> unfit_;
  bool begun_ = false;  // in the store: a command that cannot be executed leaves nothing there
};

MeasureRun::MeasureRun(MeasureOptions options)
    : options_(std::move(options)),
      report_(options_.report),
      meter_(open_run_meter(options_.meter, options_.sysroot)),
      record_(Record::begin("none")) {
  if (!options_.store) return;
  if (options_.db.empty()) options_.db = RecordStore::default_path();
  store_.emplace(options_.db);
}

void MeasureRun::begin_record() {
  json& document = record_.document();
  document["machine"] = machine_facts();
  document["environment"]["before"] = environment_snapshot();
  document["protocol"] = protocol_part(options_);
  document["subjects"].push_back(
      {{"name", kCommandSubject},
       {"engine", "command"},
       {"description", command_line_text(options_.argv, kMostDescription)},
       {"argv", options_.argv}});
}

SeriesOutcome MeasureRun::run_commands() {
  ChildSignals signals;
  const CommandPlan plan{.argv = options_.argv,
                         .repetitions = options_.repetitions,
                         .warmup = options_.warmup,
                         .delay_s = options_.delay_s,
                         .idle_s = options_.idle_s,
                         .cpu_vendor = energy::cpu_vendor(options_.sysroot)};
  return run_series(plan, *meter_, signals, *this);
}

int MeasureRun::run() {
  begin_record();
  const SeriesOutcome outcome = run_commands();
  if (outcome.trials.empty()) {
    complain(outcome.failure);
    return outcome.exit_code;
  }
  finish_record(outcome);
  report_.write(report());
  return exit_code(outcome);
}

// A store that fails half-way (a full disk) must not lose what is being measured.
template <class F>
void MeasureRun::keep(F&& work) {
  if (!store_.has_value()) return;
  try {
    work(*store_);
  } catch (const std::exception& error) {
    store_failure_ = error.what();
    store_.reset();
  }
}

void MeasureRun::on_trial(const Trial& trial) {
  keep([&](RecordStore& store) {
    if (!begun_) store.begin(record_);
    begun_ = true;
    store.append(record_.id(), trial);
  });
  record_.add(trial);
}

void MeasureRun::finish_record(const SeriesOutcome& outcome) {
  json& document = record_.document();
  if (outcome.idle.has_value()) document["protocol"]["idle"] = idle_part(*outcome.idle);
  document["environment"]["after"] = environment_snapshot();
  record_meter(record_, *meter_, energy::cpu_vendor(options_.sysroot));
  unfit_ = judge_fitness(record_, Measured::kAnotherProgram);
  add_remedies();
  std::vector<std::string> reasons;
  if (is_fake(options_.sysroot)) {
    reasons.push_back(
        fmt::format("meters were read under {}, not on this machine", options_.sysroot));
  }
  const std::string note = short_window_note(outcome.trials.front().energy, meter_->info());
  if (!note.empty()) reasons.push_back("energy: " + note);
  const energy::SourceInfo* source = meter_->info();
  if (!options_.meter.empty() && source != nullptr && !source->detail.empty()) {
    reasons.push_back(fmt::format("energy: from {}: {}", source->name, source->detail));
  }
  for (const std::string& reason : unfit_) reasons.push_back("unfit environment: " + reason);
  if (!outcome.failure.empty()) reasons.push_back(outcome.failure);
  record_.finish(outcome.failure.empty() ? finished_status(options_.strict, unfit_) : "failed",
                 reasons);
  keep([&](RecordStore& store) { store.finish(record_); });
}

// What would give the joules and the counters that this run lacks.
void MeasureRun::add_remedies() {
  const std::vector<Trial> trials = record_.trials();
  const bool meters = options_.meter.empty() && !meter_->usable();
  const bool counters = std::any_of(trials.begin(), trials.end(), [](const Trial& trial) {
    return std::any_of(trial.counters.begin(), trial.counters.end(),
                       [](const energy::CounterValue& counter) { return !counter.measured; });
  });
  json& environment = record_.document()["environment"];
  json rows = remedy_rows(options_.sysroot, environment["before"], meters, counters);
  if (!rows.empty()) environment["remedies"] = std::move(rows);
}

std::string MeasureRun::kept_where() const {
  if (store_.has_value())
    return fmt::format("record {} in {}\n", record_.id(), options_.db.string());
  return fmt::format("record {} was not kept\n", record_.id());
}

std::string MeasureRun::report() const {
  switch (options_.format) {
    case MeasureFormat::kJson:
      return record_.text(2) + "\n";
    case MeasureFormat::kJsonl:
      return record_.text() + "\n";
    case MeasureFormat::kCsv:
      return measure_csv(record_);
    case MeasureFormat::kMarkdown:
      break;
  }
  std::string text = measure_markdown(record_);
  for (const json& reason : record_.document().at("reasons")) {
    text += "note: " + reason.get<std::string>() + "\n";
  }
  return text + kept_where();
}

int MeasureRun::exit_code(const SeriesOutcome& outcome) const {
  if (!store_failure_.empty()) {
    throw Error("the record could not be kept, its report is complete: " + store_failure_);
  }
  if (outcome.exit_code != 0) return outcome.exit_code;
  for (const Trial& trial : outcome.trials) {
    if (!options_.require_energy || trial.energy.status == energy::Status::kMeasured) continue;
    const std::string why = trial.energy.status == energy::Status::kAttributed
                                ? "it is attributed by " + trial.energy.source
                                : trial.energy.why;
    complain(fmt::format("--require-energy: the energy of repetition {} was not measured: {}",
                         trial.order_index + 1, why));
    return kNoEnergy;
  }
  if (!options_.strict || unfit_.empty()) return 0;
  complain("--strict: the environment was unfit: " + unfit_.front());
  return kUnfit;
}

}  // namespace

// Whatever fails in here is our own failure, not the command's.
int run_measure(const std::vector<std::string>& args) {
  try {
    std::optional<MeasureOptions> options = parse_measure_options(args);
    if (!options.has_value()) return 0;
    reserve_standard_streams();
    return MeasureRun(std::move(*options)).run();
  } catch (const std::exception& error) {
    throw Error(error.what(), kOwnFailure);
  }
}

}  // namespace tern::harness
