// `tern eval`: accuracy with the joules of every question. Three ways in: ask a model and record
// every item as it finishes, score answers made elsewhere, or print what would be asked.

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "datasets/error.h"
#include "energy/platform.h"
#include "engine/error.h"
#include "engine/thread_pool.h"
#include "engine/tokenizer/tokenizer.h"
#include "evals/error.h"
#include "harness/build_info.h"
#include "harness/command.h"
#include "harness/data_home.h"
#include "harness/engine_model.h"
#include "harness/error.h"
#include "harness/eval_inputs.h"
#include "harness/eval_options.h"
#include "harness/eval_record.h"
#include "harness/fetch/datasets.h"
#include "harness/fetch/transfer_progress.h"
#include "harness/fitness.h"
#include "harness/idle.h"
#include "harness/instruments.h"
#include "harness/machine.h"
#include "harness/meter_option.h"
#include "harness/options.h"
#include "harness/progress.h"
#include "harness/record_store.h"
#include "harness/report/eval_report.h"

namespace tern::harness {

namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler may touch nothing else

// The first SIGINT ends the run behind the item in flight; a second one ends the process as usual.
void stop_on_sigint() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted.store(true); };
  action.sa_flags = SA_RESETHAND;
  sigaction(SIGINT, &action, nullptr);
}

double now_unix_s() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void say(const std::string& sentence) { std::cerr << "tern eval: " << sentence << std::endl; }

using Tasks = std::vector<std::unique_ptr<evals::Task>>;

Tasks load_tasks(const EvalOptions& options) {
  Tasks tasks;
  for (const std::string& name : options.tasks) {
    const evals::TaskInfo& info = evals::find_task(name);
    tasks.push_back(info.make({.data = find_data(options.data, info),
                               .num_fewshot = options.num_fewshot,
                               .scoring_only = options.mode == EvalMode::kScoreResponses}));
  }
  return tasks;
}

std::vector<TaskRun> plan(const Tasks& tasks, const EvalOptions& options) {
  std::vector<TaskRun> runs;
  for (const auto& task : tasks) {
    runs.push_back({task.get(), limited(task->size(), options.limit), {}});
  }
  return runs;
}

// Where data differs from what was published, scores do not compare with published ones.
std::vector<std::string> data_differences(const Tasks& tasks) {
  std::vector<std::string> sentences;
  for (const auto& task : tasks) {
    for (const datasets::Provenance& file : task->data()) {
      if (!file.as_published()) sentences.push_back(file.difference());
    }
  }
  return sentences;
}

bool is_synthetic(const std::string& model) { return model.starts_with("synth:"); }

std::string tokenizer_source(const EvalOptions& options) {
  if (!options.tokenizer.empty()) return options.tokenizer;
  if (!is_synthetic(options.model)) return options.model;
  throw Error(options.model + " has no tokenizer: expected --tokenizer FILE, got none");
}

int prompts_mode(const EvalOptions& options) {
  const Tasks tasks = load_tasks(options);
  std::unique_ptr<engine::Tokenizer> tokenizer;
  if (!options.tokenizer.empty() || !options.model.empty()) {
    tokenizer = engine::load_tokenizer(tokenizer_source(options));
  }
  for (const TaskRun& run : plan(tasks, options)) {
    print_prompts(std::cout, *run.task, run.documents, tokenizer.get(), tasks.size() > 1);
  }
  std::cout << std::flush;
  return std::cout ? 0 : 1;
}

void write_report(const EvalReport& report, const EvalOptions& options) {
  std::cout << (options.json ? eval_json(report, options.log_samples) + "\n"
                             : eval_markdown(report))
            << std::flush;
}

int responses_mode(const EvalOptions& options) {
  const Tasks tasks = load_tasks(options);
  EvalReport report;
  report.answers = options.responses.string();
  report.limit = options.limit;
  report.num_fewshot = options.num_fewshot;
  report.reasons = data_differences(tasks);
  report.date_unix_s = now_unix_s();
  report.runs = plan(tasks, options);
  TaskRun& run = report.runs.front();
  run.items = score_responses(*run.task, run.documents, options.responses);
  write_report(report, options);
  return std::cout ? 0 : 1;
}

class EvalCommand final : EvalListener {
 public:
  explicit EvalCommand(EvalOptions options);
  int run();

 private:
  std::shared_ptr<const engine::Model> load_model();
  EvalIdentity identity() const;
  void open_record();
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
  Tasks tasks_;
  std::unique_ptr<energy::EnergyMeter> meter_;
  std::shared_ptr<const engine::Tokenizer> tokenizer_;
  engine::ThreadPool pool_;
  std::int64_t context_ = 0;  // load_model decides it
  std::shared_ptr<const engine::Model> model_;
  std::vector<FileDigest> model_files_, tokenizer_files_;
  MachineInstruments instruments_;
  std::optional<RecordStore> store_;  // opened when nothing but the run itself can go wrong
  std::optional<Record> record_;
  std::optional<RecordLock> lock_;  // of record_, as long as this process may write it
  EvalReport report_;
  std::int64_t begin_ns_ = 0;
  std::vector<bool> truncation_said_;
  std::vector<std::string> unfit_;
};

// Cheap things that can be wrong come before expensive ones: data and tokenizer before the model.
EvalCommand::EvalCommand(EvalOptions options)
    : options_(std::move(options)),
      table_(kernels_row(options_.kernels)),
      progress_(std::cerr, isatty(STDERR_FILENO) == 1, options_.progress, "tern eval"),
      tasks_(load_tasks(options_)),
      meter_(open_run_meter_or_fail(options_.meter, options_.require_energy)),
      tokenizer_(engine::load_tokenizer(tokenizer_source(options_))),
      pool_({.threads = options_.threads}),
      model_(load_model()),
      instruments_(*meter_, pool_.thread_ids()) {
  if (!is_synthetic(options_.model)) model_files_ = digest_model(options_.model);
  if (!options_.tokenizer.empty()) tokenizer_files_ = digest_model(options_.tokenizer);
  report_.runs = plan(tasks_, options_);
  report_.model = options_.model;
  report_.subject = options_.fp16_twin ? "baseline" : model_->facts().ternary ? "ternary" : "float";
  report_.parameters = model_->facts().parameters;
  report_.max_length = context_;
  report_.limit = options_.limit;
  report_.num_fewshot = options_.num_fewshot;
  report_.date_unix_s = now_unix_s();
  report_.reasons = data_differences(tasks_);
  if (!build_info().optimized) {
    report_.reasons.push_back(
        fmt::format("this is a {} build: its speeds mean nothing", build_info().build_type));
  }
  truncation_said_.resize(tasks_.size());
}

std::shared_ptr<const engine::Model> EvalCommand::load_model() {
  progress_.phase("loading " + options_.model);
  std::shared_ptr<const engine::Model> model =
      engine::Model::load(options_.model, table_, pool_, options_.model_options);
  if (options_.fp16_twin) model = engine::Model::half_twin(*model, pool_);
  const std::int64_t longest = model->config().context;
  context_ = options_.context > 0 ? options_.context
                                  : std::min<std::int64_t>(longest, kDefaultEvalContext);
  if (context_ > longest) {
    throw Error(fmt::format("--ctx-size: expected at most {} (the context of {}), got {}", longest,
                            options_.model, context_));
  }
  for (const auto& task : tasks_) {
    const evals::TaskInfo& info = task->info();
    if (context_ > info.most_new_tokens) continue;
    throw Error(
        fmt::format("{}: expected a context of more than the {} tokens it lets a model "
                    "generate, got {}",
                    info.name, info.most_new_tokens, context_));
  }
  return model;
}

EvalIdentity EvalCommand::identity() const {
  return {.model = model_.get(),
          .subject = report_.subject,
          .fp16_twin = options_.fp16_twin,
          .files = model_files_.empty() ? nullptr : &model_files_,
          .tokenizer = tokenizer_files_.empty() ? nullptr : &tokenizer_files_,
          .tokenizer_description = tokenizer_->description(),
          .context = context_,
          .ubatch = options_.ubatch,
          .type_k = name(options_.cache_k),
          .type_v = name(options_.cache_v),
          .kernels = table_.name,
          .threads = pool_.threads(),
          .limit = options_.limit};
}

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

// The record this run writes: an unfinished one with --resume, otherwise a new one.
void EvalCommand::open_record() {
  store_.emplace(db());
  std::string why_not;
  if (options_.resume) {
    std::optional<ResumedEval> resumed =
        resume_eval(*store_, identity_json(identity(), report_.runs), report_.runs, why_not);
    if (resumed.has_value()) {
      record_ = std::move(resumed->record);
      lock_ = std::move(resumed->lock);
    }
    std::size_t there = 0, total = 0;
    for (const TaskRun& run : report_.runs) {
      there += run.items.size();
      total += run.documents;
    }
    progress_.note(record_.has_value()
                       ? fmt::format("--resume: record {} goes on; {} of {} questions are answered",
                                     record_->id(), there, total)
                       : "--resume: " + why_not + "; this one starts from the first question");
    if (record_.has_value()) {
      record_->document()["environment"]["resumed"] = environment_snapshot();
      const auto changes = changed_reading(*record_, model_->facts(), there);
      report_.reasons.insert(report_.reasons.end(), changes.begin(), changes.end());
    }
  }
  if (!record_.has_value()) {
    record_ = begin_eval_record(identity(), report_.runs, pool_);
    record_->document()["environment"]["start"] = start_;
    record_meter(*record_, *meter_, energy::cpu_vendor("/"));
    lock_ = RecordLock::take(record_->id());
    store_->begin(*record_);
  }
  report_.record_id = record_->id();
}

int EvalCommand::run() {
  stop_on_sigint();
  EngineModel model(model_, tokenizer_, pool_,
                    {.context = context_,
                     .cache_k = options_.cache_k,
                     .cache_v = options_.cache_v,
                     .ubatch = options_.ubatch},
                    &interrupted);
  for (const std::string& reason : report_.reasons) progress_.note(reason);
  open_record();
  begin_ns_ = instruments_.monotonic_ns();
  return finish(ask_all(report_.runs, model, &model.counts(), instruments_, *this, &interrupted));
}

void EvalCommand::on_start(const EvalStep& step) {
  progress_.item(fmt::format("{} {}", step.task, step.document), step.done, step.total,
                 step.done_here, instruments_.monotonic_ns() - begin_ns_);
}

void EvalCommand::on_item(std::size_t run, const EvalItem& item) {
  store_->append_eval_item(record_->id(), run, to_json(item));
  if (item.tokens.dropped_tokens == 0 || truncation_said_[run]) return;
  truncation_said_[run] = true;
  progress_.note(fmt::format(
      "{}, document {}: the prompt is longer than the context of {}; {} tokens are cut from its "
      "left, as lm_eval does (the end says how often)",
      options_.tasks[run], item.result.doc_id, context_, item.tokens.dropped_tokens));
}

// An interrupted record stays unfinished, so that --resume finds it.
int EvalCommand::finish(const std::string& failure) {
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
  write_report(report_, options_);
  say(fmt::format("record {} in {}", record_->id(), db().string()));
  return exit_code(failure);
}

bool EvalCommand::all_measured() const {
  for (const TaskRun& run : report_.runs) {
    for (const EvalItem& item : run.items) {
      if (item.energy.status != energy::Status::kMeasured) return false;
    }
  }
  return true;
}

int EvalCommand::exit_code(const std::string& failure) const {
  if (!failure.empty() || !std::cout) return 1;
  if (options_.require_energy && !all_measured()) {
    say("--require-energy: the energy of some questions was not measured");
    return 6;
  }
  if (!options_.strict || unfit_.empty()) return 0;
  say("--strict: the environment was unfit: " + unfit_.front());
  return 5;
}

int fetch_mode(const EvalOptions& options) {
  std::filesystem::path folder = options.data;
  if (folder.empty()) {
    const auto home = data_home();
    if (!home) throw Error("no place for data: neither XDG_DATA_HOME nor HOME is set; give --data");
    folder = *home / "datasets";
  }
  TransferProgress progress("tern eval");
  fetch_datasets(options.tasks, folder, {}, progress);
  fmt::print("{}\n", folder.string());
  return 0;
}

int run_mode(EvalOptions options) {
  switch (options.mode) {
    case EvalMode::kPrintPrompts:
      return prompts_mode(options);
    case EvalMode::kScoreResponses:
      return responses_mode(options);
    case EvalMode::kFetch:
      return fetch_mode(options);
    case EvalMode::kRun:
      break;
  }
  return EvalCommand(std::move(options)).run();
}

}  // namespace

int run_eval(const std::vector<std::string>& args) try {
  std::optional<EvalOptions> options = parse_eval_options(args);
  if (!options.has_value()) return 0;
  return run_mode(std::move(*options));
} catch (const datasets::FormatError& error) {
  throw Error(error.what());
} catch (const evals::Error& error) {
  throw Error(error.what());
}

}  // namespace tern::harness
