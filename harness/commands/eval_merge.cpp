// `tern eval --merge`: parts of one evaluation, from several machines or runs, scored as one.

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/error.h"
#include "harness/eval_inputs.h"
#include "harness/eval_merge.h"
#include "harness/eval_output.h"
#include "harness/eval_record.h"
#include "harness/eval_setup.h"
#include "harness/record_store.h"

namespace tern::harness {

namespace {

using nlohmann::json;

// A task as the parts asked it, with the same data.
std::unique_ptr<evals::Task> task_of(const json& asked, const json& identity,
                                     const EvalOptions& options) {
  const evals::TaskInfo& info = evals::find_task(asked.at("task").get<std::string>());
  if (asked.at("version") != json(info.version)) {
    throw Error(fmt::format("--merge: {}: expected version {}, which this program scores, got {}",
                            info.name, info.version, asked.at("version").dump()));
  }
  std::unique_ptr<evals::Task> task = info.make({.data = find_data(options.data, info),
                                                 .num_fewshot = asked.at("num_fewshot"),
                                                 .fewshot_seed = identity.at("fewshot_seed"),
                                                 .scoring_only = !options.log_samples,
                                                 .style = style_from_json(identity.at("style"))});
  for (const datasets::Provenance& file : task->data()) {
    const json there = asked.at("data").value(file.file, json());
    if (there == json(file.sha256)) continue;
    throw Error(
        fmt::format("--merge: {}: expected the file that was asked from (SHA-256 {}), got "
                    "another one ({})",
                    file.file, there.dump(), file.sha256));
  }
  return task;
}

std::size_t subject_index(const json& subjects, const json& name) {
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (subjects[i].at("name") == name) return i;
  }
  throw Error(fmt::format("--merge: expected a subject named {}, got none", name.dump()));
}

std::vector<TaskRun> runs_of(const json& document, const EvalTasks& tasks) {
  std::vector<TaskRun> runs;
  for (const json& eval : document.at("evals")) {
    const auto task = std::find_if(tasks.begin(), tasks.end(), [&](const auto& each) {
      return json(each->info().name) == eval.at("task");
    });
    if (task == tasks.end()) {
      throw Error(fmt::format("--merge: {} is no task of the evaluation", eval.at("task").dump()));
    }
    TaskRun run;
    run.task = task->get();
    run.documents = eval.at("documents").get<std::size_t>();
    run.subject = subject_index(document.at("subjects"), eval.at("subject"));
    for (const json& item : eval.at("items")) {
      run.items.push_back(eval_item_from_json(item, *run.task));
    }
    runs.push_back(std::move(run));
  }
  return runs;
}

EvalReport report_of(const MergedItems& merged, const EvalTasks& tasks) {
  const json& document = merged.record.document();
  const json& protocol = document.at("protocol");
  const json& subjects = document.at("subjects");
  EvalReport report;
  report.model = subjects.at(0).at("model").get<std::string>();
  report.subject = subjects.at(0).at("name").get<std::string>();
  report.parameters = subjects.at(0).at("parameters").get<std::int64_t>();
  for (std::size_t i = 1; i < subjects.size(); ++i) {
    report.baselines.push_back({.name = subjects[i].at("name").get<std::string>(),
                                .model = subjects[i].at("model").get<std::string>(),
                                .parameters = subjects[i].at("parameters").get<std::int64_t>()});
  }
  report.max_length = protocol.at("n_ctx").get<std::int64_t>();
  if (protocol.value("limit", json()).is_number()) report.limit = protocol["limit"].get<double>();
  report.record_id = merged.record.id();
  report.reasons = merged.reasons;
  report.date_unix_s = now_unix_s();
  report.runs = runs_of(document, tasks);
  for (const TaskRun& run : report.runs) {
    for (const EvalItem& item : run.items) {
      report.batch = std::max<std::int64_t>(report.batch, item.company);
    }
  }
  return report;
}

// Of a part that was unfit, all of it is.
std::string status_of(const std::vector<Record>& records, bool complete) {
  if (!complete) return "failed";
  const bool unfit = std::any_of(records.begin(), records.end(), [](const Record& record) {
    return record.document().at("status") == "unfit";
  });
  return unfit ? "unfit" : "ok";
}

}  // namespace

int run_merge(const EvalOptions& options) try {
  prepare_output(options);
  const std::vector<Record> records = named_records(options.merge, options.db);
  MergedItems merged = merge_evaluations(records);
  EvalTasks tasks;
  const json& identity = merged.record.document().at("protocol").at("identity");
  for (const json& task : identity.at("tasks")) tasks.push_back(task_of(task, identity, options));
  EvalReport report = report_of(merged, tasks);
  report.seeds.back() = identity.at("fewshot_seed");
  report.style = style_from_json(identity.at("style"));
  report.status = status_of(records, merged.complete);
  merged.record.finish(report.status, merged.reasons);
  const std::filesystem::path db = options.db.empty() ? RecordStore::default_path() : options.db;
  RecordStore(db).import(merged.record);
  write_eval_report(report, options);
  for (const std::string& reason : merged.reasons) std::cerr << "tern eval: " << reason << '\n';
  std::cerr << fmt::format("tern eval: record {} in {}\n", merged.record.id(), db.string());
  return merged.complete && std::cout ? 0 : 1;
} catch (const json::exception& error) {
  throw Error(std::string("--merge: an evaluation cannot be read: ") + error.what());
}

}  // namespace tern::harness
