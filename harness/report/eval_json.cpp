// The results file of lm-evaluation-harness (harness.md, sections 4.3 and 4.4), with ours under
// "tern".

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "datasets/manifest.h"
#include "harness/build_info.h"
#include "harness/report/eval_report.h"

namespace tern::harness {

namespace {

using json = nlohmann::ordered_json;

json number_or_null(const std::optional<double>& value) {
  if (!value.has_value()) return nullptr;
  if (*value >= 1) return static_cast<std::int64_t>(*value);
  return *value;
}

json scores_json(const TaskRun& run) {
  json object = {{"name", run.task->info().name},
                 {"alias", run.task->info().name},
                 {"sample_len", run.items.size()}};
  std::vector<evals::ItemResult> results;
  for (const EvalItem& item : run.items) results.push_back(item.result);
  for (const evals::Score& score : evals::aggregate(run.task->info(), results)) {
    // No question, no score: not zero.
    json& mean = object[score.metric + "," + score.filter];
    mean = run.items.empty() ? json("N/A") : json(score.value.mean);
    json& error = object[score.metric + "_stderr," + score.filter];
    if (score.value.standard_error.has_value()) {
      error = *score.value.standard_error;
    } else {
      error = "N/A";
    }
  }
  return object;
}

json task_config(const evals::Task& task) {
  const evals::TaskInfo& info = task.info();
  json metrics = json::array();
  for (const evals::Metric& metric : info.metrics) {
    metrics.push_back({{"metric", metric.name},
                       {"aggregation", "mean"},
                       {"higher_is_better", metric.higher_is_better}});
  }
  json config = {{"task", info.name}, {"dataset_path", info.dataset}};
  if (!info.dataset_config.empty()) config["dataset_name"] = info.dataset_config;
  config["test_split"] = info.split;
  config["num_fewshot"] = task.num_fewshot();
  config["metric_list"] = std::move(metrics);
  config["output_type"] =
      info.output == evals::OutputType::kLogLikelihood ? "multiple_choice" : "generate_until";
  config["metadata"] = {{"version", info.version}};
  return config;
}

json costs_json(const TaskRun& run) {
  const EvalCosts cost = costs(run);
  json object = {{"documents", run.documents}, {"answered", run.items.size()}};
  object["seconds"] = cost.timed > 0 ? json(cost.seconds) : json();
  object["questions_per_s"] = cost.timed > 0 && cost.seconds > 0
                                  ? json(static_cast<double>(cost.timed) / cost.seconds)
                                  : json();
  object["joules_per_question"] =
      cost.metered > 0 ? json(cost.joules / static_cast<double>(cost.metered)) : json();
  object["metered_questions"] = cost.metered;
  if (!cost.why.empty()) object["why_not_metered"] = cost.why;
  object["evaluated_tokens"] = cost.tokens.evaluated_tokens;
  object["reused_tokens"] = cost.tokens.reused_tokens;
  object["truncated_questions"] = cost.truncated_items;
  object["dropped_tokens"] = cost.tokens.dropped_tokens;
  json data = json::array();
  for (const datasets::Provenance& file : run.task->data()) {
    data.push_back(
        {{"file", file.file}, {"sha256", file.sha256}, {"as_published", file.as_published()}});
  }
  object["data"] = std::move(data);
  return object;
}

json document_json(const evals::Task& task, std::size_t i) {
  json document = json::object();
  for (const evals::Field& field : task.document(i)) {
    std::visit([&](const auto& value) { document[field.name] = value; }, field.value);
  }
  return document;
}

// Python's json.dumps(document, indent=2, ensure_ascii=False), which is what lm_eval hashes.
std::string document_hash(const json& document) {
  return datasets::sha256_hex(document.dump(2, ' ', false, json::error_handler_t::replace));
}

// The parts of a sample that need the question as it was put.
void add_arguments(const evals::Task& task, std::size_t i, json& sample) {
  const evals::Request request = task.request(i);
  json& arguments = sample["arguments"];
  std::string prompt;
  if (const auto* text = std::get_if<evals::TextRequest>(&request)) {
    prompt = text->prompt;
    arguments["gen_args_0"] = {{"arg_0", text->prompt},
                               {"arg_1", {{"until", text->limits.until}, {"do_sample", false}}}};
  } else {
    const auto& choice = std::get<evals::ChoiceRequest>(request);
    prompt = choice.context;
    for (std::size_t c = 0; c < choice.continuations.size(); ++c) {
      arguments[fmt::format("gen_args_{}", c)] = {{"arg_0", choice.context},
                                                  {"arg_1", choice.continuations[c]}};
    }
  }
  sample["prompt_hash"] = datasets::sha256_hex(prompt);
}

// lm_eval writes likelihoods and flags as Python prints them.
json responses_json(const evals::Answer& answer) {
  if (const auto* text = std::get_if<std::string>(&answer)) {
    return json::array({json::array({*text})});
  }
  json list = json::array();
  for (const evals::Likelihood& l : std::get<evals::ChoiceAnswer>(answer)) {
    list.push_back(
        json::array({json::array({json(l.log_likelihood).dump(), l.greedy ? "True" : "False"})}));
  }
  return list;
}

json filtered_json(const evals::ItemResult& result, const evals::FilterResult& filter) {
  if (std::holds_alternative<std::string>(result.answer)) return json::array({filter.response});
  json list = json::array();
  for (const json& response : responses_json(result.answer)) list.push_back(response.at(0));
  return list;
}

json sample_json(const evals::Task& task, const EvalItem& item, const evals::FilterResult& filter,
                 bool asked) {
  const auto i = static_cast<std::size_t>(item.result.doc_id);
  json sample = {
      {"doc_id", item.result.doc_id}, {"doc", document_json(task, i)}, {"target", task.target(i)}};
  if (asked) add_arguments(task, i, sample);
  sample["resps"] = responses_json(item.result.answer);
  sample["filtered_resps"] = filtered_json(item.result, filter);
  sample["filter"] = filter.filter;
  sample["metrics"] = json::array();
  for (const evals::MetricValue& value : filter.metrics) sample["metrics"].push_back(value.metric);
  sample["doc_hash"] = document_hash(sample["doc"]);
  sample["target_hash"] = datasets::sha256_hex(task.target(i));
  for (const evals::MetricValue& value : filter.metrics) sample[value.metric] = value.value;
  if (!asked) return sample;
  const bool metered = item.energy.status != energy::Status::kNotMeasured;
  sample["seconds"] = static_cast<double>(item.elapsed_ns) * 1e-9;
  sample["joules"] = metered ? json(item.energy.total_joules) : json();
  // Counted for generated text only; a likelihood's tokens are in the record's "evaluated".
  const bool text = std::holds_alternative<std::string>(item.result.answer);
  sample["prompt_tokens"] = text ? json(item.result.prompt_tokens) : json();
  sample["gen_tokens"] = text ? json(item.result.new_tokens) : json();
  sample["dropped_tokens"] = item.tokens.dropped_tokens;
  return sample;
}

json samples_json(const TaskRun& run, bool asked) {
  json samples = json::array();
  for (const std::string_view name : run.task->info().filters) {
    for (const EvalItem& item : run.items) {
      for (const evals::FilterResult& filter : item.result.filters) {
        if (filter.filter == name) {
          samples.push_back(sample_json(*run.task, item, filter, asked));
        }
      }
    }
  }
  return samples;
}

std::string task_hash(const json& samples) {
  std::string hashes;
  for (const json& sample : samples) {
    for (const char* key : {"doc_hash", "prompt_hash", "target_hash"}) {
      hashes += sample.value(key, std::string());
    }
  }
  return datasets::sha256_hex(hashes);
}

json higher_is_better(const evals::TaskInfo& info) {
  json object = json::object();
  for (const evals::Metric& metric : info.metrics) {
    object[std::string(metric.name)] = metric.higher_is_better;
  }
  return object;
}

json config_json(const EvalReport& report) {
  return {{"model", report.model.empty() ? "responses" : "tern"},
          {"model_args", report.model.empty()
                             ? report.answers
                             : fmt::format("model={},subject={}", report.model, report.subject)},
          {"model_num_parameters", report.parameters},
          {"batch_size", "1"},
          {"batch_sizes", json::array()},
          {"device", "cpu"},
          {"use_cache", nullptr},
          {"limit", number_or_null(report.limit)},
          {"bootstrap_iters", 100000},
          {"gen_kwargs", nullptr},
          {"random_seed", 0},
          {"numpy_seed", 1234},
          {"torch_seed", 1234},
          {"fewshot_seed", 1234}};
}

std::string sanitized(std::string name) {
  std::string out;
  bool replaced = false;
  for (const char c : name) {
    const bool bad = std::string_view("\"<>:/|\\?*[]").find(c) != std::string_view::npos;
    if (bad && !replaced) out += "__";
    if (!bad) out += c;
    replaced = bad;
  }
  return out;
}

json tern_json(const EvalReport& report) {
  json object = {{"schema", "tern.record/1"},
                 {"record", report.record_id.empty() ? json() : json(report.record_id)},
                 {"subject", report.subject.empty() ? json() : json(report.subject)},
                 {"status", report.status},
                 {"reasons", report.reasons},
                 {"tasks", json::object()}};
  for (const TaskRun& run : report.runs) {
    object["tasks"][std::string(run.task->info().name)] = costs_json(run);
  }
  return object;
}

}  // namespace

std::string eval_json(const EvalReport& report, bool samples) {
  const bool asked = !report.model.empty();
  json out = {{"results", json::object()},          {"groups", json::object()},
              {"group_subtasks", json::object()},   {"configs", json::object()},
              {"versions", json::object()},         {"n-shot", json::object()},
              {"higher_is_better", json::object()}, {"n-samples", json::object()}};
  double seconds = 0;
  for (const TaskRun& run : report.runs) {
    const std::string name(run.task->info().name);
    out["results"][name] = scores_json(run);
    out["group_subtasks"][name] = json::array();
    out["configs"][name] = task_config(*run.task);
    out["versions"][name] = static_cast<double>(run.task->info().version);
    out["n-shot"][name] = run.task->num_fewshot();
    out["higher_is_better"][name] = higher_is_better(run.task->info());
    out["n-samples"][name] = {{"original", run.task->size()}, {"effective", run.items.size()}};
    seconds += costs(run).seconds;
    if (!samples) continue;
    out["samples"][name] = samples_json(run, asked);
    out["task_hashes"][name] = task_hash(out["samples"][name]);
  }
  out["config"] = config_json(report);
  out["git_hash"] = build_info().commit;
  out["date"] = report.date_unix_s;
  if (asked) out["max_length"] = report.max_length;
  out["model_source"] = asked ? "tern" : "responses";
  out["model_name"] = asked ? report.model : report.answers;
  out["model_name_sanitized"] = sanitized(asked ? report.model : report.answers);
  out["total_evaluation_time_seconds"] = fmt::format("{}", seconds);
  out["tern"] = tern_json(report);
  return out.dump(2, ' ', false, json::error_handler_t::replace);
}

}  // namespace tern::harness
