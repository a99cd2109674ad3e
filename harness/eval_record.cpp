#include "harness/eval_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/build_info.h"
#include "harness/error.h"
#include "harness/machine.h"

namespace tern::harness {

namespace {

using nlohmann::json;

json digests(const std::vector<FileDigest>& files) {
  json list = json::array();
  for (const FileDigest& file : files) list.push_back(file.sha256);
  return list;
}

json task_identity(const TaskRun& run) {
  json data = json::object();
  for (const datasets::Provenance& file : run.task->data()) data[file.file] = file.sha256;
  return {{"task", run.task->info().name},
          {"version", run.task->info().version},
          {"num_fewshot", run.task->num_fewshot()},
          {"documents", run.documents},
          {"data", std::move(data)}};
}

json model_identity(const EvalSubject& subject) {
  return subject.files.empty() ? json(subject.model->facts().spec) : digests(subject.files);
}

json tokenizer_identity(const EvalSubject& subject) {
  return subject.tokenizer_files.empty() ? json("the model's own")
                                         : digests(subject.tokenizer_files);
}

json chat_template_identity(const EvalSubject& subject) {
  return subject.chat == nullptr ? json() : to_json(*subject.chat);
}

json style_identity(const evals::PromptStyle& style) {
  return {{"apply_chat_template", style.apply_chat_template},
          {"fewshot_as_multiturn", style.fewshot_as_multiturn},
          {"system_instruction", style.system_instruction}};
}

json baseline_identity(const EvalSubject& subject) {
  return {{"subject", subject.name},
          {"model", model_identity(subject)},
          {"twin", subject.twin},
          {"head", name(subject.model->facts().head)},
          {"tokenizer", tokenizer_identity(subject)},
          {"chat_template", chat_template_identity(subject)}};
}

json data_part(const evals::Task& task) {
  json list = json::array();
  for (const datasets::Provenance& file : task.data()) {
    json part = {{"file", file.file},
                 {"sha256", file.sha256},
                 {"rows", file.rows},
                 {"as_published", file.as_published()}};
    if (file.published != nullptr) {
      part["source"] = file.published->source;
      part["licence"] = file.published->licence;
    }
    list.push_back(std::move(part));
  }
  return list;
}

json eval_part(const TaskRun& run, const std::string& subject) {
  const evals::TaskInfo& info = run.task->info();
  json part = {{"task", info.name},
               {"version", info.version},
               {"subject", subject},
               {"num_fewshot", run.task->num_fewshot()},
               {"documents", run.documents},
               {"documents_total", run.task->size()},
               {"filters", json::array()},
               {"metrics", json::array()},
               {"data", data_part(*run.task)},
               {"items", json::array()}};
  for (const std::string_view filter : info.filters) part["filters"].push_back(filter);
  for (const evals::Metric& metric : info.metrics) {
    part["metrics"].push_back({{"name", metric.name},
                               {"higher_is_better", metric.higher_is_better},
                               {"aggregation", evals::aggregation_name(metric.aggregation)}});
  }
  return part;
}

json answer_json(const evals::Answer& answer) {
  if (const auto* text = std::get_if<std::string>(&answer)) return {{"response", *text}};
  json list = json::array();
  for (const evals::Likelihood& l : std::get<evals::ChoiceAnswer>(answer)) {
    list.push_back(
        {{"log_likelihood", l.log_likelihood}, {"greedy", l.greedy}, {"tokens", l.tokens}});
  }
  return {{"likelihoods", std::move(list)}};
}

evals::Answer answer_from_json(const json& object) {
  if (object.contains("response")) return object.at("response").get<std::string>();
  evals::ChoiceAnswer answer;
  for (const json& l : object.at("likelihoods")) {
    answer.push_back({.log_likelihood = l.at("log_likelihood").get<double>(),
                      .greedy = l.at("greedy").get<bool>(),
                      .tokens = l.at("tokens").get<std::int64_t>()});
  }
  return answer;
}

json results_json(const evals::ItemResult& result) {
  json list = json::array();
  for (const evals::FilterResult& filter : result.filters) {
    json part = {{"filter", filter.filter}, {"metrics", json::object()}};
    if (std::holds_alternative<std::string>(result.answer)) part["response"] = filter.response;
    for (const evals::MetricValue& value : filter.metrics) {
      // A sum and what it is spread over have no meaning as the score of one item.
      if (value.weight.has_value()) {
        part["weighted"][value.metric] = {{"sum", value.value}, {"weight", *value.weight}};
      } else {
        part["metrics"][value.metric] = value.value;
      }
    }
    list.push_back(std::move(part));
  }
  return list;
}

// The parts in which two identities differ, for a sentence.
std::string differences(const json& wanted, const json& found) {
  std::string names;
  for (const auto& [key, value] : wanted.items()) {
    if (found.is_object() && found.contains(key) && found.at(key) == value) continue;
    names += (names.empty() ? "" : ", ") + key;
  }
  for (const auto& [key, value] : found.items()) {
    if (!wanted.contains(key)) names += (names.empty() ? "" : ", ") + key;
  }
  return names;
}

const json* identity_of(const Record& record) {
  const json& protocol = record.document().at("protocol");
  const auto found = protocol.find("identity");
  return found != protocol.end() && found->is_object() ? &*found : nullptr;
}

void take_items(const Record& record, std::vector<TaskRun>& runs) {
  const json& evals = record.document().at("evals");
  for (std::size_t r = 0; r < runs.size(); ++r) {
    runs[r].items.clear();
    for (const json& item : evals.at(r).at("items")) {
      runs[r].items.push_back(eval_item_from_json(item, *runs[r].task));
    }
  }
}

}  // namespace

evals::PromptStyle style_from_json(const json& style) {
  return {.apply_chat_template = style.at("apply_chat_template"),
          .fewshot_as_multiturn = style.at("fewshot_as_multiturn"),
          .system_instruction = style.at("system_instruction")};
}

json identity_json(const EvalIdentity& identity, const std::vector<TaskRun>& runs) {
  const EvalSubject& first = identity.first();
  const BuildInfo& build = build_info();
  json tasks = json::array();
  for (const TaskRun& run : runs) {
    if (run.subject == 0) tasks.push_back(task_identity(run));
  }
  json object = {
      {"tasks", std::move(tasks)},
      {"fewshot_seed", identity.fewshot_seed},
      {"style", style_identity(identity.style)},
      {"chat_template", chat_template_identity(first)},
      {"model", model_identity(first)},
      {"fp16_twin", first.twin},
      {"head", name(first.model->facts().head)},
      {"tokenizer", tokenizer_identity(first)},
      {"n_ctx", identity.context},
      {"n_ubatch", identity.ubatch},
      {"batch_size", identity.batch > 0 ? json(identity.batch) : json("auto")},
      {"type_k", identity.type_k},
      {"type_v", identity.type_v},
      {"kernels", identity.kernels},
      {"threads", identity.threads},
      {"build", fmt::format("{} ({})", build.version, build.commit)},
  };
  if (!identity.shard.whole()) object["shard"] = text_of(identity.shard);
  for (std::size_t i = 1; i < identity.subjects->size(); ++i) {
    object["baselines"].push_back(baseline_identity((*identity.subjects)[i]));
  }
  return object;
}

Record begin_eval_record(const EvalIdentity& identity, const std::vector<TaskRun>& runs,
                         const engine::ThreadPool& pool) {
  Record record = Record::begin(identity.kernels);
  json& document = record.document();
  document["machine"] = machine_facts();
  document["environment"]["before"] = environment_snapshot();
  document["protocol"] = {{"command", "eval"},
                          {"limit", identity.limit.has_value() ? json(*identity.limit) : json()},
                          {"threads", identity.threads},
                          {"pinning", pool.pinning()},
                          {"cpus", pool.cpus()},
                          {"n_ctx", identity.context},
                          {"n_ubatch", identity.ubatch},
                          {"type_k", identity.type_k},
                          {"type_v", identity.type_v},
                          {"tokenizer", identity.first().tokenizer->description()},
                          {"clock", "CLOCK_MONOTONIC_RAW"},
                          {"identity", identity_json(identity, runs)}};
  if (!identity.shard.whole()) document["protocol"]["shard"] = text_of(identity.shard);
  for (const EvalSubject& subject : *identity.subjects) {
    document["subjects"].push_back(subject_part(
        {subject.name, subject.model.get(), subject.files.empty() ? nullptr : &subject.files},
        subject.twin));
  }
  for (const TaskRun& run : runs) {
    document["evals"].push_back(eval_part(run, identity.subjects->at(run.subject).name));
  }
  return record;
}

json to_json(const EvalItem& item) {
  const evals::ItemResult& result = item.result;
  json object = answer_json(result.answer);
  object["doc_id"] = result.doc_id;
  object["start_unix_ns"] = item.start_unix_ns;
  object["elapsed_ns"] = item.elapsed_ns;
  object["tokens"] = {{"prompt", result.prompt_tokens},
                      {"new", result.new_tokens},
                      {"dropped", item.tokens.dropped_tokens},
                      {"truncated_prompts", item.tokens.truncated_prompts},
                      {"evaluated", item.tokens.evaluated_tokens},
                      {"reused", item.tokens.reused_tokens}};
  object["energy"] = to_json(item.energy);
  if (item.company > 1) {
    object["batch"] = {{"questions", item.company}, {"windows", energy::name(item.windows)}};
  }
  object["results"] = results_json(result);
  return object;
}

EvalItem eval_item_from_json(const json& object, const evals::Task& task) try {
  const auto doc_id = object.at("doc_id").get<std::int64_t>();
  if (doc_id < 0 || static_cast<std::size_t>(doc_id) >= task.size()) {
    throw Error(fmt::format("an item of {} has the doc_id {}, and there are {} documents",
                            task.info().name, doc_id, task.size()));
  }
  EvalItem item;
  item.result = task.score(static_cast<std::size_t>(doc_id), answer_from_json(object));
  item.start_unix_ns = object.at("start_unix_ns").get<std::int64_t>();
  item.elapsed_ns = object.at("elapsed_ns").get<std::int64_t>();
  const json& tokens = object.at("tokens");
  item.result.prompt_tokens = tokens.at("prompt").get<std::int64_t>();
  item.result.new_tokens = tokens.at("new").get<std::int64_t>();
  item.tokens.dropped_tokens = tokens.at("dropped").get<std::int64_t>();
  item.result.dropped_tokens = item.tokens.dropped_tokens;
  item.tokens.truncated_prompts = tokens.at("truncated_prompts").get<std::int64_t>();
  item.tokens.evaluated_tokens = tokens.at("evaluated").get<std::int64_t>();
  item.tokens.reused_tokens = tokens.at("reused").get<std::int64_t>();
  item.energy = energy_from_json(object.at("energy"));
  if (object.contains("batch")) {
    item.company = object.at("batch").at("questions").get<int>();
    item.windows = energy_from_json({{"status", object.at("batch").at("windows")}}).status;
  }
  return item;
} catch (const json::exception& error) {
  throw Error(std::string("an evaluated item of the record cannot be read: ") + error.what());
}

std::optional<ResumedEval> resume_eval(const RecordStore& store, const json& identity,
                                       std::vector<TaskRun>& runs, std::string& why_not) {
  why_not = "there is no unfinished evaluation";
  bool first = true;
  for (const RecordSummary& summary : store.list()) {
    if (summary.status != "running") continue;
    std::optional<Record> record = store.load(summary.id);
    const json* found = record.has_value() ? identity_of(*record) : nullptr;
    if (found == nullptr) continue;
    if (*found == identity) {
      std::optional<RecordLock> lock = RecordLock::take(summary.id);
      if (lock.has_value()) {
        // Again, under the lock: its last owner may have written until a moment ago.
        record = store.load(summary.id);
        if (record.has_value() && record->document().at("status") == "running") {
          take_items(*record, runs);
          return ResumedEval{std::move(*record), std::move(*lock)};
        }
      } else if (std::exchange(first, false)) {
        why_not = fmt::format("{} is of the same kind, and a process that is alive writes it",
                              summary.id);
      }
    } else if (std::exchange(first, false)) {
      why_not = fmt::format("the newest unfinished evaluation ({}) differs in: {}", summary.id,
                            differences(identity, *found));
    }
  }
  return std::nullopt;
}

void put_items(Record& record, const std::vector<TaskRun>& runs) {
  json& evals = record.document().at("evals");
  for (std::size_t r = 0; r < runs.size(); ++r) {
    json& items = evals.at(r)["items"] = json::array();
    for (const EvalItem& item : runs[r].items) items.push_back(to_json(item));
  }
}

}  // namespace tern::harness
