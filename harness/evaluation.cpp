#include "harness/evaluation.h"

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "energy/platform.h"
#include "engine/thread_pool.h"
#include "harness/build_info.h"
#include "harness/engine_model.h"
#include "harness/eval_output.h"
#include "harness/eval_record.h"
#include "harness/eval_setup.h"
#include "harness/eval_subjects.h"
#include "harness/fitness.h"
#include "harness/idle.h"
#include "harness/instruments.h"
#include "harness/interrupt.h"
#include "harness/machine.h"
#include "harness/meter_option.h"
#include "harness/options.h"
#include "harness/progress.h"
#include "harness/record_store.h"

namespace tern::harness {

namespace {

void say(const std::string& sentence) { std::cerr << "tern eval: " << sentence << std::endl; }

// Answers do not depend on how the weights are read, so a run may go on another way, but times do:
// what differs of the questions before and after.
std::vector<std::string> changed_reading(const Record& record, const engine::ModelFacts& facts,
                                         std::size_t answered) {
  const nlohmann::json& subject = record.document().at("subjects").at(0);
  std::vector<std::string> changes;
  const nlohmann::json layout = subject.value("ternary_layout", nlohmann::json::object());
  if (layout.contains("bits") && facts.ternary_layout.has_value()) {
    const double before = layout.at("bits").get<double>();
    const double now = engine::bits_per_weight(facts.ternary_layout->bits);
    if (before != now) {
      changes.push_back(
          fmt::format("ternary weights had {} bits for the first {} questions and {} bits after",
                      before, answered, now));
    }
  }
  const auto option = [&](const char* key, const char* what, bool now) {
    if (subject.contains(key) == now) return;
    changes.push_back(fmt::format("{} was {} for the first {} questions and {} after", what,
                                  now ? "off" : "on", answered, now ? "on" : "off"));
  };
  option("greedy_head", "--greedy-head", facts.greedy_head);
  option("skip_zeros", "--skip-zeros", facts.skip_zeros);
  return changes;
}

class Evaluation final : EvalListener {
 public:
  explicit Evaluation(EvalOptions options);
  int run();

 private:
  EvalSubjects load();
  EvalIdentity identity() const;
  void begin_report();
  void open_record();
  bool resume();
  int finish(const std::string& failure);
  int exit_code(const std::string& failure) const;
  bool all_measured() const;
  std::filesystem::path db() const {
    return options_.db.empty() ? RecordStore::default_path() : options_.db;
  }

  void on_start(const EvalStep& step) override;
  void on_item(std::size_t run, const EvalItem& item) override;

  EvalOptions options_;
  nlohmann::json start_ = environment_snapshot();  // before anything is loaded
  const kernels::KernelTable& table_;
  Progress progress_;
  EvalTasks tasks_;
  std::unique_ptr<energy::EnergyMeter> meter_;
  engine::ThreadPool pool_;
  EvalSubjects subjects_;
  MachineInstruments instruments_;
  std::optional<RecordStore> store_;  // opened when nothing but the run itself can go wrong
  std::optional<Record> record_;
  std::optional<RecordLock> lock_;  // of record_, as long as this process may write it
  EvalReport report_;
  std::int64_t begin_ns_ = 0;
  std::vector<bool> truncation_said_;  // (runs)
  std::vector<std::string> unfit_;
};

Evaluation::Evaluation(EvalOptions options)
    : options_(std::move(options)),
      table_(kernels_row(options_.kernels)),
      progress_(std::cerr, isatty(STDERR_FILENO) == 1, options_.progress, "tern eval"),
      tasks_(load_tasks(options_)),
      meter_(open_run_meter_or_fail(options_.meter, options_.require_energy)),
      pool_({.threads = options_.threads}),
      subjects_(load()),
      instruments_(*meter_, pool_.thread_ids()) {
  prepare_output(options_);
  begin_report();
  truncation_said_.resize(report_.runs.size());
}

EvalSubjects Evaluation::load() {
  progress_.phase("loading " + options_.model);
  return load_eval_subjects(options_, tasks_, table_, pool_);
}

void Evaluation::begin_report() {
  const EvalSubject& first = subjects_.list.front();
  report_.runs = plan_runs(tasks_, options_, subjects_.list.size());
  report_.model = options_.model;
  report_.subject = first.name;
  report_.parameters = first.model->facts().parameters;
  for (std::size_t i = 1; i < subjects_.list.size(); ++i) {
    const EvalSubject& baseline = subjects_.list[i];
    report_.baselines.push_back({.name = baseline.name,
                                 .model = baseline.model->facts().spec,
                                 .parameters = baseline.model->facts().parameters,
                                 .chat = baseline.chat});
  }
  report_.max_length = subjects_.context;
  report_.batch = subjects_.batch;
  report_.limit = options_.limit;
  report_.seeds = options_.seeds;
  report_.num_fewshot = options_.num_fewshot;
  report_.style = options_.style;
  report_.chat = first.chat;
  report_.date_unix_s = now_unix_s();
  report_.reasons = data_differences(tasks_);
  if (!subjects_.no_baseline.empty()) {
    report_.reasons.push_back("no baseline: " + subjects_.no_baseline);
  }
  if (!build_info().optimized) {
    report_.reasons.push_back(
        fmt::format("this is a {} build: its speeds mean nothing", build_info().build_type));
  }
}

EvalIdentity Evaluation::identity() const {
  return {.subjects = &subjects_.list,
          .context = subjects_.context,
          .ubatch = options_.ubatch,
          .batch = options_.batch,
          .type_k = name(options_.cache_k),
          .type_v = name(options_.cache_v),
          .kernels = table_.name,
          .threads = pool_.threads(),
          .limit = options_.limit,
          .shard = options_.shard,
          .fewshot_seed = options_.seeds.back(),
          .style = options_.style};
}

// The record this run writes: an unfinished one with --resume, otherwise a new one.
void Evaluation::open_record() {
  store_.emplace(db());
  if (!options_.resume || !resume()) {
    record_ = begin_eval_record(identity(), report_.runs, pool_);
    record_->document()["environment"]["start"] = start_;
    record_meter(*record_, *meter_, energy::cpu_vendor("/"));
    lock_ = RecordLock::take(record_->id());
    store_->begin(*record_);
  }
  report_.record_id = record_->id();
}

bool Evaluation::resume() {
  std::string why_not;
  std::optional<ResumedEval> resumed =
      resume_eval(*store_, identity_json(identity(), report_.runs), report_.runs, why_not);
  if (!resumed.has_value()) {
    progress_.note("--resume: " + why_not + "; this one starts from the first question");
    return false;
  }
  record_ = std::move(resumed->record);
  lock_ = std::move(resumed->lock);
  std::size_t there = 0, total = 0;
  for (const TaskRun& run : report_.runs) {
    there += run.items.size();
    total += run.asked();
  }
  progress_.note(fmt::format("--resume: record {} goes on; {} of {} questions are answered",
                             record_->id(), there, total));
  record_->document()["environment"]["resumed"] = environment_snapshot();
  const auto changes = changed_reading(*record_, subjects_.list.front().model->facts(), there);
  report_.reasons.insert(report_.reasons.end(), changes.begin(), changes.end());
  return true;
}

int Evaluation::run() {
  stop_on_sigint();
  std::vector<std::unique_ptr<EngineModel>> models;
  std::vector<BatchedModel*> asked;
  for (const EvalSubject& subject : subjects_.list) {
    models.push_back(
        std::make_unique<EngineModel>(subject.model, subject.tokenizer, pool_,
                                      engine::SessionOptions{.context = subjects_.context,
                                                             .cache_k = options_.cache_k,
                                                             .cache_v = options_.cache_v,
                                                             .ubatch = options_.ubatch,
                                                             .sequences = subjects_.batch},
                                      &interrupted(), subjects_.longest, renderer(subject.chat)));
    asked.push_back(models.back().get());
  }
  for (const std::string& reason : report_.reasons) progress_.note(reason);
  // Not all files say how to cut a text into pieces, and scores hang on it.
  for (const EvalSubject& subject : subjects_.list) {
    if (&subject != &subjects_.list.front() &&
        subject.tokenizer == subjects_.list.front().tokenizer) {
      continue;
    }
    progress_.note(fmt::format("tokenizer of {}: {}", subject.model->facts().spec,
                               subject.tokenizer->description()));
  }
  open_record();
  begin_ns_ = instruments_.monotonic_ns();
  return finish(ask_all(report_.runs, asked, instruments_, *this, &interrupted()));
}

void Evaluation::on_start(const EvalStep& step) {
  const TaskRun& run = report_.runs[step.run];
  std::string what = fmt::format("{} {}", run.task->info().name, step.document);
  if (subjects_.list.size() > 1) what += " " + subjects_.list[run.subject].name;
  progress_.item(what, step.done, step.total, step.done_here,
                 instruments_.monotonic_ns() - begin_ns_);
}

void Evaluation::on_item(std::size_t run, const EvalItem& item) {
  store_->append_eval_item(record_->id(), run, to_json(item));
  if (item.tokens.dropped_tokens == 0 || truncation_said_[run]) return;
  truncation_said_[run] = true;
  progress_.note(fmt::format(
      "{}, document {}: the prompt is longer than the context of {}; {} tokens are cut from its "
      "left, as lm_eval does (the end says how often)",
      report_.runs[run].task->info().name, item.result.doc_id, subjects_.context,
      item.tokens.dropped_tokens));
}

// An interrupted record stays unfinished, so that --resume finds it.
int Evaluation::finish(const std::string& failure) {
  progress_.clear();
  put_items(*record_, report_.runs);
  if (failure != kInterrupted) {
    record_environment_after(*record_);
    unfit_ = judge_fitness(*record_);
    for (const std::string& reason : unfit_) {
      report_.reasons.push_back("unfit environment: " + reason);
      progress_.note(report_.reasons.back());
    }
    if (!failure.empty()) report_.reasons.push_back(failure);
    report_.status = failure.empty() ? finished_status(options_.strict, unfit_) : "failed";
    record_->finish(report_.status, report_.reasons);
    store_->finish(*record_);
  } else {
    report_.status = "running";
    report_.reasons.push_back(std::string(kInterrupted) + "; --resume goes on");
  }
  if (!failure.empty()) progress_.note(report_.reasons.back());
  write_eval_report(report_, options_);
  say(fmt::format("record {} in {}", record_->id(), db().string()));
  return exit_code(failure);
}

bool Evaluation::all_measured() const {
  for (const TaskRun& run : report_.runs) {
    for (const EvalItem& item : run.items) {
      if (!item.joules_measured()) return false;
    }
  }
  return true;
}

int Evaluation::exit_code(const std::string& failure) const {
  if (!failure.empty() || !std::cout) return 1;
  if (options_.require_energy && !all_measured()) {
    say("--require-energy: the energy of some questions was not measured");
    return 6;
  }
  if (!options_.strict || unfit_.empty()) return 0;
  say("--strict: the environment was unfit: " + unfit_.front());
  return 5;
}

}  // namespace

int run_evaluation(EvalOptions options) { return Evaluation(std::move(options)).run(); }

}  // namespace tern::harness
