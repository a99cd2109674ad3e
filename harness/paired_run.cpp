#include "harness/paired_run.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "energy/platform.h"
#include "engine/thread_pool.h"
#include "harness/bench_record.h"
#include "harness/error.h"
#include "harness/fitness.h"
#include "harness/idle.h"
#include "harness/instruments.h"
#include "harness/interrupt.h"
#include "harness/options.h"
#include "harness/progress.h"
#include "harness/record_store.h"
#include "harness/study.h"

namespace tern::harness {
namespace {

std::vector<FileDigest> files_of(const engine::Model& model) {
  if (model.facts().container == "synthetic") return {};
  return digest_model(model.facts().spec);
}

// Stores and shows trials as they end.
class Keeper final : public StudyListener {
 public:
  Keeper(RecordStore& store, Record& record, Instruments& clock, Progress& progress)
      : store_(store), record_(record), clock_(clock), progress_(progress) {}

  void on_start(const StudyStep& step) override {
    const std::int64_t now = clock_.monotonic_ns();
    if (!first_ns_.has_value()) first_ns_ = now;
    progress_.step(step, now - *first_ns_);
  }

  void on_trial(const Trial& trial) override {
    store_.append(record_.id(), trial);
    record_.add(trial);
  }

 private:
  RecordStore& store_;
  Record& record_;
  Instruments& clock_;
  Progress& progress_;
  std::optional<std::int64_t> first_ns_;
};

EngineSubjectOptions subject_options(const BenchOptions& options) {
  const BenchConfiguration& configuration = options.configurations.front();
  std::int64_t positions = kVerifyPrompt + kVerifySteps;
  std::int64_t sequences = 1;
  for (const TestCase& test : options.tests) {
    positions = std::max(positions, test.positions());
    sequences = std::max<std::int64_t>(sequences, test.sequences);
  }
  return {.session = {.context = positions,
                      .cache_k = configuration.cache_k,
                      .cache_v = configuration.cache_v,
                      .ubatch = std::min(configuration.ubatch, configuration.batch),
                      .sequences = sequences},
          .batch = configuration.batch,
          .stop = &interrupted()};
}

struct Models {
  std::shared_ptr<const engine::Model> candidate, reference;
  std::vector<FileDigest> candidate_files, reference_files;
};

Models load(const BenchOptions& options, const kernels::KernelTable& table,
            engine::ThreadPool& pool, Progress& progress) {
  const std::string& first = options.configurations.front().model;
  Models models;
  progress.phase("loading " + first);
  models.candidate = engine::Model::load(first, table, pool, options.model);
  models.candidate_files = files_of(*models.candidate);
  if (options.baseline == first) {
    models.reference = models.candidate;
    models.reference_files = models.candidate_files;
    return models;
  }
  progress.phase("loading " + options.baseline);
  models.reference = engine::Model::load(options.baseline, table, pool, options.model);
  models.reference_files = files_of(*models.reference);
  return models;
}

Record begin_record(const BenchOptions& options, const Models& models,
                    const engine::ThreadPool& pool, const std::string& kernels) {
  const auto files = [](const std::vector<FileDigest>& digests) {
    return digests.empty() ? nullptr : &digests;
  };
  return begin_bench_record(options, options.configurations.front(),
                            {{kCandidate, models.candidate.get(), files(models.candidate_files)},
                             {kReference, models.reference.get(), files(models.reference_files)}},
                            pool, kernels);
}

}  // namespace

Record run_paired(const BenchOptions& options, const std::string& command) {
  const BenchConfiguration& configuration = options.configurations.front();
  const std::string program = "tern " + command;
  Progress progress(std::cerr, isatty(STDERR_FILENO) == 1, options.progress, program);
  const kernels::KernelTable& table = kernels_row(options.kernels);
  const std::unique_ptr<energy::EnergyMeter> meter = energy::open_meter();
  RecordStore store(options.db.empty() ? RecordStore::default_path() : options.db);
  stop_on_sigint();
  engine::ThreadPool pool({.threads = configuration.threads,
                           .pin = true,
                           .spin_us = spin_microseconds(configuration.poll)});
  const Models models = load(options, table, pool, progress);
  EngineSubject candidate(kCandidate, models.candidate, pool, subject_options(options));
  EngineSubject reference(kReference, models.reference, pool, subject_options(options));
  MachineInstruments instruments(*meter, pool.thread_ids());

  Record record = begin_record(options, models, pool, table.name);
  record.document()["protocol"]["command"] = command;
  record_meter(record, *meter, energy::cpu_vendor("/"));
  store.begin(record);
  Keeper keeper(store, record, instruments, progress);
  Study study({&candidate, &reference},
              {.tests = options.tests,
               .pairs = options.pairs,
               .warmup = options.warmup,
               .delay_s = options.delay_s,
               .stop = &interrupted()},
              instruments, keeper);
  const StudyOutcome outcome = study.run();
  progress.clear();
  record_environment_after(record);
  const bool fine = outcome.failure.empty();
  std::vector<std::string> reasons;
  for (const std::string& reason : judge_fitness(record)) {
    reasons.push_back("unfit environment: " + reason);
  }
  if (!fine) reasons.push_back(outcome.failure);
  record.finish(fine ? "ok" : "failed", reasons);
  store.finish(record);
  if (!fine) throw Error(outcome.failure, 1);
  return record;
}

std::pair<Side, Side> measured_sides(const Record& record) {
  return {side_of(record, kCandidate), side_of(record, kReference)};
}

}  // namespace tern::harness
