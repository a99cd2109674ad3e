// `tern bench`: speed and energy of a ternary model against its FP16 baseline. For each
// configuration it loads the models, opens a record, runs the paired study and stores every trial
// as it finishes; the report over all configurations comes last.

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "energy/platform.h"
#include "engine/error.h"
#include "engine/thread_pool.h"
#include "harness/baselines.h"
#include "harness/bench_options.h"
#include "harness/bench_record.h"
#include "harness/best_limits.h"
#include "harness/build_info.h"
#include "harness/command.h"
#include "harness/contenders.h"
#include "harness/error.h"
#include "harness/estimate.h"
#include "harness/fitness.h"
#include "harness/idle.h"
#include "harness/instruments.h"
#include "harness/interrupt.h"
#include "harness/machine.h"
#include "harness/meter_cost.h"
#include "harness/meter_option.h"
#include "harness/options.h"
#include "harness/progress.h"
#include "harness/quick.h"
#include "harness/record_store.h"
#include "harness/recorded_report.h"
#include "harness/settling.h"

namespace tern::harness {

namespace {

class BenchRun final : StudyListener {
 public:
  explicit BenchRun(BenchOptions options);
  int run();

 private:
  void choose_quick_model();
  void set_up(const BenchConfiguration& configuration);
  MemoryNeed memory_need() const;
  std::vector<std::unique_ptr<EngineSubject>> make_subjects(
      const BenchConfiguration& configuration);
  void choose_quick_tests(const std::vector<std::unique_ptr<EngineSubject>>& subjects,
                          Instruments& instruments);
  void measure_own_limits();
  std::vector<MachineLimits> limits_by_threads(int most) const;
  std::vector<RecordedSubject> recorded_subjects() const;
  RunFacts run_facts() const;
  void run_configuration(const BenchConfiguration& configuration);
  std::string check_hashes(const BenchConfiguration& configuration,
                           const std::vector<Trial>& trials);
  std::vector<PhaseSample> time_phases(const std::vector<std::unique_ptr<EngineSubject>>& subjects,
                                       Instruments& clock);
  void measure_idle_side(MachineInstruments& instruments, bool before);
  std::string measure_cost_of_meter(EngineSubject& subject, Instruments& clock);
  std::vector<Estimate> make_estimates(
      const std::vector<std::unique_ptr<EngineSubject>>& subjects) const;
  void finish_record(const StudyOutcome& outcome);
  void write_results() const;
  int exit_code() const;

  void on_start(const StudyStep& step) override;
  void on_trial(const Trial& trial) override;

  BenchOptions options_;
  const kernels::KernelTable& table_;
  Progress progress_;
  std::unique_ptr<energy::EnergyMeter> meter_;
  RecordStore store_;
  std::unique_ptr<engine::ThreadPool> pool_;
  int pool_poll_ = -1;
  std::string loaded_;  // what contenders_ hold: a model, and whom its layout was chosen for
  Contenders contenders_;
  std::vector<FileDigest> first_files_, baseline_files_;  // the latter of a baseline by path
  bool quick_tests_chosen_ = false;
  BestLimits limits_;
  std::map<std::string, std::string>
      hashes_;                    // of everything that must not depend on how it was run
  std::optional<Record> record_;  // of the configuration that runs
  std::optional<std::int64_t> first_trial_ns_;  // its beginning
  nlohmann::json start_;                        // environment before it loaded anything
  nlohmann::json rested_;                       // that of the first configuration: nothing had run
  Instruments* clock_ = nullptr;
  std::vector<Record> records_;
  BenchReport report_;
  bool failed_ = false;
  std::vector<std::string> unfit_;  // reasons of all configurations
};

BenchRun::BenchRun(BenchOptions options)
    : options_(std::move(options)),
      table_(kernels_row(options_.kernels)),
      progress_(std::cerr, isatty(STDERR_FILENO) == 1, options_.progress),
      meter_(open_run_meter_or_fail(options_.meter, options_.require_energy)),
      store_(options_.db.empty() ? RecordStore::default_path() : options_.db),
      limits_(table_) {
  const BuildInfo& build = build_info();
  if (!build.optimized) {
    report_.notes.push_back(
        fmt::format("this is a {} build{}{}: its speeds mean nothing", build.build_type,
                    *build.sanitizer != '\0' ? " with -fsanitize=" : "", build.sanitizer));
  }
  if (options_.quick) choose_quick_model();
}

void BenchRun::choose_quick_model() {
  if (!options_.pairs_given) options_.pairs = kQuickPairs;
  if (!options_.tests_given) options_.tests = quick_tests(0);
  if (options_.model_given || options_.baseline != "auto") return;
  const std::int64_t available = engine::available_memory_bytes();
  const std::string model = quick_model(available - memory_margin(available));
  for (BenchConfiguration& configuration : options_.configurations) configuration.model = model;
  if (model != kQuickModel) {
    progress_.note(fmt::format(
        "--quick: {} and its FP16 twin do not fit the memory available ({} MiB), so {} runs",
        kQuickModel, available >> 20, model));
  }
}

int BenchRun::run() {
  stop_on_sigint();
  for (const BenchConfiguration& configuration : options_.configurations) {
    try {
      start_ = environment_snapshot();
      if (rested_.is_null()) rested_ = start_;
      set_up(configuration);
      run_configuration(configuration);
    } catch (const engine::Error& error) {
      if (report_.rows.empty()) throw;  // nothing was measured that an exit could lose
      progress_.note(error.what());
      failed_ = true;
    }
    if (interrupted().load()) break;
  }
  progress_.clear();
  write_results();
  return exit_code();
}

MemoryNeed BenchRun::memory_need() const {
  MemoryNeed need{.positions = kVerifyPrompt + kVerifySteps};
  for (const TestCase& test : options_.tests) {
    need.positions = std::max(need.positions, test.positions());
    need.sequences = std::max<std::int64_t>(need.sequences, test.sequences);
  }
  for (const BenchConfiguration& configuration : options_.configurations) {
    if (configuration.cache_k == kernels::CacheType::kF32) need.cache_k = kernels::CacheType::kF32;
    if (configuration.cache_v == kernels::CacheType::kF32) need.cache_v = kernels::CacheType::kF32;
  }
  return need;
}

std::vector<FileDigest> files_of(const engine::Model& model) {
  if (model.facts().container == "synthetic") return {};
  return digest_model(model.facts().spec);
}

// The pool of this configuration and the models, if they are not there from the one before.
void BenchRun::set_up(const BenchConfiguration& configuration) {
  if (pool_ == nullptr || pool_->threads() != configuration.threads ||
      pool_poll_ != configuration.poll) {
    pool_.reset();
    if (options_.roofline) {
      progress_.phase("measuring the machine's limits");
      limits_.measure_below(configuration.threads);
    }
    pool_ = std::make_unique<engine::ThreadPool>(
        engine::ThreadPoolOptions{.threads = configuration.threads,
                                  .pin = true,
                                  .spin_us = spin_microseconds(configuration.poll)});
    pool_poll_ = configuration.poll;
  }
  // What a measurement chose holds for its number of threads only.
  const std::string wanted = options_.model.ternary_bits.has_value()
                                 ? configuration.model
                                 : fmt::format("{} -t {}", configuration.model, pool_->threads());
  if (loaded_ == wanted) return;
  contenders_ = {};  // before the next one is loaded: both may not fit
  loaded_.clear();
  progress_.phase("loading " + configuration.model);
  contenders_ = load_contenders(configuration.model, options_.baseline, memory_need(), table_,
                                *pool_, options_.model);
  first_files_ = files_of(*contenders_.first);
  const bool by_path = options_.baseline != "none" && named_twins(options_.baseline).empty();
  baseline_files_ =
      by_path ? files_of(*contenders_.baselines.front().model) : std::vector<FileDigest>();
  loaded_ = wanted;
  if (contenders_.baselines.empty())
    progress_.note(contenders_.no_baseline + "; it runs without a baseline");
}

std::vector<std::unique_ptr<EngineSubject>> BenchRun::make_subjects(
    const BenchConfiguration& configuration) {
  const MemoryNeed need = memory_need();
  const EngineSubjectOptions options{
      .session = {.context = need.positions,
                  .cache_k = configuration.cache_k,
                  .cache_v = configuration.cache_v,
                  .ubatch = std::min(configuration.ubatch, configuration.batch),
                  .sequences = need.sequences},
      .batch = configuration.batch,
      .stop = &interrupted()};
  std::vector<std::unique_ptr<EngineSubject>> subjects;
  subjects.push_back(std::make_unique<EngineSubject>(contenders_.first_name(), contenders_.first,
                                                     *pool_, options));
  for (const Baseline& baseline : contenders_.baselines) {
    subjects.push_back(
        std::make_unique<EngineSubject>(baseline.name, baseline.model, *pool_, options));
  }
  return subjects;
}

// Seconds of the second of two runs: the first one touches the memory.
double probe_s(EngineSubject& subject, const TestCase& test, Instruments& instruments) {
  double elapsed_s = 0;
  for (int i = 0; i < 2; ++i) {
    subject.prepare(test);
    const std::int64_t begin = instruments.monotonic_ns();
    subject.run(test);
    elapsed_s = static_cast<double>(instruments.monotonic_ns() - begin) * 1e-9;
  }
  return elapsed_s;
}

void BenchRun::choose_quick_tests(const std::vector<std::unique_ptr<EngineSubject>>& subjects,
                                  Instruments& instruments) {
  constexpr int kProbePrompt = 8;
  if (!options_.quick || options_.tests_given || quick_tests_chosen_ || interrupted().load())
    return;
  quick_tests_chosen_ = true;
  QuickRates rates;
  for (const auto& subject : subjects) {
    rates.prompt_s += probe_s(*subject, {.prompt = kProbePrompt}, instruments) / kProbePrompt;
    rates.gen_s += probe_s(*subject, {.gen = 1}, instruments);
  }
  const double budget_s = kQuickBudget_s / static_cast<double>(options_.configurations.size());
  const int level = quick_level(rates, options_.pairs, budget_s);
  options_.tests = quick_tests(level);
  progress_.note(fmt::format("--quick: {} pairs of {} and {} of {}{}", options_.pairs,
                             options_.tests[0].name(), options_.tests[1].name(),
                             contenders_.first->facts().spec,
                             level > 0 ? ", smaller than usual because this machine is slow" : ""));
}

void BenchRun::measure_own_limits() {
  progress_.phase("measuring the machine's limits");
  const MachineLimits& best = limits_.measure(*pool_);
  if (!best.why.empty()) {
    progress_.note(fmt::format("the read bandwidth was not measured: {}", best.why));
  }
}

std::vector<MachineLimits> BenchRun::limits_by_threads(int most) const {
  return options_.roofline ? limits_.up_to(most) : std::vector<MachineLimits>();
}

std::vector<RecordedSubject> BenchRun::recorded_subjects() const {
  const auto files = [](const std::vector<FileDigest>& digests) {
    return digests.empty() ? nullptr : &digests;
  };
  std::vector<RecordedSubject> subjects = {
      {contenders_.first_name(), contenders_.first.get(), files(first_files_)}};
  for (const Baseline& baseline : contenders_.baselines) {
    subjects.push_back({baseline.name, baseline.model.get(), files(baseline_files_)});
  }
  return subjects;
}

// What the record says, and what only this run knows.
RunFacts BenchRun::run_facts() const {
  RunFacts run = recorded_run_facts(*record_);
  run.no_ratio = contenders_.no_baseline;
  run.bf16_kernels = bf16_row_beside(table_);
  return run;
}

void BenchRun::run_configuration(const BenchConfiguration& configuration) {
  if (records_.empty()) {
    for (const std::string& note : report_.notes) progress_.note(note);
  }
  measure_own_limits();
  MachineInstruments instruments(*meter_, pool_->thread_ids());
  const std::vector<std::unique_ptr<EngineSubject>> subjects = make_subjects(configuration);
  choose_quick_tests(subjects, instruments);

  record_ = begin_bench_record(options_, configuration, recorded_subjects(), *pool_, table_.name);
  record_limits(*record_, limits_.at(configuration.threads),
                limits_by_threads(configuration.threads));
  record_->document()["environment"]["start"] = start_;
  record_meter(*record_, *meter_, energy::cpu_vendor("/"));
  measure_idle_side(instruments, true);
  store_.begin(*record_);
  first_trial_ns_.reset();
  clock_ = &instruments;
  progress_.phase("verifying " + configuration.model);

  std::vector<Subject*> raw;
  for (const auto& subject : subjects) raw.push_back(subject.get());
  Study study(raw,
              {.tests = options_.tests,
               .pairs = options_.pairs,
               .warmup = options_.warmup,
               .delay_s = options_.delay_s,
               .stop = &interrupted()},
              instruments, *this);
  StudyOutcome outcome = study.run();
  if (outcome.failure.empty()) measure_idle_side(instruments, false);
  if (outcome.failure.empty()) outcome.failure = measure_cost_of_meter(*subjects[0], instruments);
  if (outcome.failure.empty()) outcome.failure = check_hashes(configuration, outcome.trials);
  std::vector<PhaseSample> phases;
  if (options_.phases && outcome.failure.empty()) {
    progress_.phase("timing the phases of " + configuration.model);
    phases = time_phases(subjects, instruments);
    record_phases(*record_, phases);
  }
  if (!interrupted().load()) measure_own_limits();
  record_limits(*record_, limits_.at(configuration.threads),
                limits_by_threads(configuration.threads));
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (const auto counts = subjects[i]->skip_counts()) record_skipping(*record_, i, *counts);
  }
  std::vector<Estimate> estimates;
  if (options_.estimate) {
    estimates = make_estimates(subjects);
    record_estimates(*record_, estimates);
  }
  finish_record(outcome);

  add_trials(report_, run_facts(), subject_facts(*record_), options_.tests, outcome.trials);
  add_phases(report_, record_->id(), phases);
  add_estimates(report_, record_->id(), estimates);
  records_.push_back(*record_);
}

// With the models loaded, whose memory is refreshed all the while. Where nothing can meter it,
// nobody waits.
void BenchRun::measure_idle_side(MachineInstruments& instruments, bool before) {
  if (options_.idle_s == 0 || !meter_->usable() || interrupted().load()) return;
  pool_->park();
  progress_.phase("letting the machine cool down before idle power is measured");
  SettlingPlan plan = settling_plan(options_.idle_s, before, !before || !records_.empty());
  plan.excess_c = [&] { return temperature_excess_c(environment_snapshot(), rested_); };
  plan.stop = &interrupted();
  record_settling(*record_, settle(instruments, plan));
  progress_.phase(fmt::format("measuring idle power for {} s", options_.idle_s));
  instruments.set_idle_w(std::nullopt);
  const auto windows = measure_idle(instruments, options_.idle_s, before, &interrupted());
  record_idle(*record_, windows);
  if (before) instruments.set_idle_w(idle_power_w(windows));
}

// On request. The trials of the study are done and stay, whatever comes of it.
std::string BenchRun::measure_cost_of_meter(EngineSubject& subject, Instruments& clock) {
  if (options_.meter_cost == 0) return "";
  first_trial_ns_.reset();
  const MeterCost cost = measure_meter_cost(subject,
                                            {.test = meter_cost_test(options_.tests),
                                             .pairs = options_.meter_cost,
                                             .warmup = options_.warmup,
                                             .stop = &interrupted(),
                                             .on_start = [&](const StudyStep& s) { on_start(s); }},
                                            *meter_, clock);
  record_meter_cost(*record_, cost);
  for (const std::string& note : meter_cost_notes(cost)) progress_.note(note);
  return meter_->usable() ? cost.why : "";
}

// From shapes; no trial and no meter has a part in it.
std::vector<Estimate> BenchRun::make_estimates(
    const std::vector<std::unique_ptr<EngineSubject>>& subjects) const {
  std::vector<Estimate> estimates;
  const std::vector<RecordedSubject> recorded = recorded_subjects();
  for (const TestCase& test : options_.tests) {
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      estimates.push_back(estimate_test(*recorded[i].model, recorded[i].name, test,
                                        subjects[i]->bytes_moved(test)));
    }
  }
  return estimates;
}

// Not a trial: looking at the clock in every phase must not touch what is measured.
std::vector<PhaseSample> BenchRun::time_phases(
    const std::vector<std::unique_ptr<EngineSubject>>& subjects, Instruments& clock) try {
  std::vector<PhaseSample> samples;
  for (const TestCase& test : options_.tests) {
    for (const auto& subject : subjects) {
      subject->prepare(test);
      const std::int64_t begin = clock.monotonic_ns();
      const engine::PhaseTimes times = subject->run_phases(test);
      samples.push_back({.subject = subject->name(),
                         .test = test.name(),
                         .elapsed_ns = clock.monotonic_ns() - begin,
                         .tokens = test.tokens(),
                         .ns = named(times)});
    }
  }
  return samples;
} catch (const std::exception& error) {
  // The trials are done and stay.
  report_.notes.push_back(fmt::format("phases: not measured: {}", error.what()));
  progress_.note(report_.notes.back());
  return {};
}

// The logits of a model do not depend on threads or batches: where they do, a run did wrong work.
std::string BenchRun::check_hashes(const BenchConfiguration& configuration,
                                   const std::vector<Trial>& trials) {
  for (const Trial& trial : trials) {
    const std::string key = fmt::format("{} {} {} {}", configuration.model, trial.subject,
                                        name(configuration.cache_k), name(configuration.cache_v));
    const std::string& expected = hashes_.try_emplace(key, trial.logits_hash).first->second;
    if (expected != trial.logits_hash) {
      return fmt::format(
          "the logits of {} ({}) depend on how it is run: expected hash {}, got {} with {} threads",
          configuration.model, trial.subject, expected, trial.logits_hash, configuration.threads);
    }
  }
  return "";
}

void BenchRun::finish_record(const StudyOutcome& outcome) {
  std::vector<std::string> reasons = report_.notes;
  if (!contenders_.no_baseline.empty())
    reasons.push_back("no baseline: " + contenders_.no_baseline);
  if (!outcome.failure.empty()) {
    failed_ = true;
    reasons.push_back(outcome.failure);
    progress_.note(outcome.failure);
  }
  record_environment_after(*record_);
  const std::vector<std::string> unfit = judge_fitness(*record_);
  for (const std::string& reason : unfit) {
    reasons.push_back("unfit environment: " + reason);
    progress_.note(reasons.back());
  }
  unfit_.insert(unfit_.end(), unfit.begin(), unfit.end());
  record_->finish(outcome.failure.empty() ? finished_status(options_.strict, unfit) : "failed",
                  reasons);
  store_.finish(*record_);
}

void BenchRun::on_start(const StudyStep& step) {
  const std::int64_t now = clock_->monotonic_ns();
  if (!first_trial_ns_.has_value()) first_trial_ns_ = now;
  progress_.step(step, now - *first_trial_ns_);
}

void BenchRun::on_trial(const Trial& trial) {
  store_.append(record_->id(), trial);
  record_->add(trial);
}

void BenchRun::write_results() const {
  if (!options_.print_record) {
    make_writer(options_.output)->write(report_, std::cout);
  } else if (options_.output == OutputFormat::kJsonl) {
    for (const Record& record : records_) std::cout << record.text() << '\n';
  } else if (records_.size() == 1) {
    std::cout << records_.front().text(2) << '\n';
  } else {
    for (std::size_t i = 0; i < records_.size(); ++i) {
      std::cout << (i == 0 ? "[\n" : ",\n") << records_[i].text(2);
    }
    std::cout << "\n]\n";
  }
  std::cout << std::flush;
  if (options_.output_err.has_value()) make_writer(*options_.output_err)->write(report_, std::cerr);
  const std::filesystem::path db = options_.db.empty() ? RecordStore::default_path() : options_.db;
  for (const Record& record : records_) {
    std::cerr << "tern bench: record " << record.id() << " in " << db.string() << std::endl;
  }
}

int BenchRun::exit_code() const {
  if (failed_ || !std::cout) return 1;
  for (const BenchRow& row : report_.rows) {
    if (!options_.require_energy) break;
    if (row.energy.status != energy::Status::kMeasured || !row.energy.why.empty()) {
      std::cerr << "tern bench: --require-energy: the energy of " << row.test.name() << ", "
                << row.subject.name << " was not measured in every repetition: " << row.energy.why
                << std::endl;
      return 6;
    }
  }
  if (!options_.strict || unfit_.empty()) return 0;
  std::cerr << "tern bench: --strict: the environment was unfit: " << unfit_.front() << std::endl;
  return 5;
}

}  // namespace

int run_bench(const std::vector<std::string>& args) {
  std::optional<BenchOptions> options = parse_bench_options(args);
  if (!options.has_value()) return 0;
  return BenchRun(std::move(*options)).run();
}

}  // namespace tern::harness
