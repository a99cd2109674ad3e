// The results file of lm-evaluation-harness (harness.md, sections 4.3 and 4.4), with ours under
// "tern".

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "datasets/manifest.h"
#include "harness/build_info.h"
#include "harness/report/eval_pairs_report.h"
#include "harness/report/eval_report.h"

namespace tern::harness {

namespace {

using json = nlohmann::ordered_json;

json number_or_null(const std::optional<double>& value) {
  if (!value.has_value()) return nullptr;
  if (*value >= 1) return static_cast<std::int64_t>(*value);
  return *value;
}

std::vector<evals::Score> scores_of(const TaskRun& run) {
  std::vector<evals::ItemResult> results;
  for (const EvalItem& item : run.items) results.push_back(item.result);
  return evals::aggregate(run.task->info(), results);
}

json scores_json(std::string_view name, std::size_t items,
                 const std::vector<evals::Score>& scores) {
  json object = {{"name", name}, {"alias", name}, {"sample_len", items}};
  for (const evals::Score& score : scores) {
    // No question, no score: not zero.
    json& mean = object[score.metric + "," + score.filter];
    mean = items == 0 ? json("N/A") : json(score.value.mean);
    json& error = object[score.metric + "_stderr," + score.filter];
    if (score.value.standard_error.has_value()) {
      error = *score.value.standard_error;
    } else {
      error = "N/A";
    }
  }
  return object;
}

const char* output_type(evals::OutputType output) {
  switch (output) {
    case evals::OutputType::kLogLikelihood:
      return "multiple_choice";
    case evals::OutputType::kRolling:
      return "loglikelihood_rolling";
    case evals::OutputType::kGenerateUntil:
      break;
  }
  return "generate_until";
}

json task_config(const evals::Task& task) {
  const evals::TaskInfo& info = task.info();
  json metrics = json::array();
  for (const evals::Metric& metric : info.metrics) {
    metrics.push_back({{"metric", metric.name},
                       {"aggregation", evals::aggregation_name(metric.aggregation)},
                       {"higher_is_better", metric.higher_is_better}});
  }
  json config = {{"task", info.name}, {"dataset_path", info.dataset}};
  if (!info.dataset_config.empty()) config["dataset_name"] = info.dataset_config;
  config["test_split"] = info.split;
  config["num_fewshot"] = task.num_fewshot();
  config["metric_list"] = std::move(metrics);
  config["output_type"] = output_type(info.output);
  config["metadata"] = {{"version", info.version}};
  return config;
}

json costs_json(const TaskRun& run) {
  const EvalCosts cost = costs(run);
  json object = {{"documents", run.documents}, {"answered", run.items.size()}};
  if (!run.shard.whole()) object["shard"] = text_of(run.shard);
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
  object["asked_at_once"] = cost.company;
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

json value_json(const datasets::Value& value) {
  if (const auto* list = value.list()) {
    json array = json::array();
    for (const datasets::Value& element : *list) array.push_back(value_json(element));
    return array;
  }
  if (const auto* members = value.object()) {
    json object = json::object();
    for (const auto& [key, member] : *members) object[key] = value_json(member);
    return object;
  }
  if (const std::string* text = value.text()) return *text;
  if (const std::int64_t* integer = value.integer()) return *integer;
  if (const bool* boolean = value.boolean()) return *boolean;
  const double* number = std::get_if<double>(&value.data);
  return number != nullptr ? json(*number) : json();
}

json document_json(const evals::Task& task, std::size_t i) {
  json document = json::object();
  for (const evals::Field& field : task.document(i)) {
    document[field.name] = value_json(field.value);
  }
  return document;
}

// Python's json.dumps(document, indent=2, ensure_ascii=False), which is what lm_eval hashes.
std::string document_hash(const json& document) {
  return datasets::sha256_hex(document.dump(2, ' ', false, json::error_handler_t::replace));
}

json messages_json(const std::vector<evals::ChatMessage>& messages) {
  json list = json::array();
  for (const evals::ChatMessage& message : messages) {
    list.push_back({{"role", message.role}, {"content", message.content}});
  }
  return list;
}

// A context or prompt as it was put: the text, or of a conversation its messages.
json asked_json(const std::string& text, const std::vector<evals::ChatMessage>& messages) {
  return messages.empty() ? json(text) : messages_json(messages);
}

// A request's parts, as lm_eval numbers them.
json arguments_json(const evals::Request& request) {
  json arguments = json::object();
  if (const auto* text = std::get_if<evals::TextRequest>(&request)) {
    arguments["gen_args_0"] = {{"arg_0", asked_json(text->prompt, text->messages)},
                               {"arg_1", {{"until", text->limits.until}, {"do_sample", false}}}};
  } else if (const auto* rolling = std::get_if<evals::RollingRequest>(&request)) {
    arguments["gen_args_0"] = {{"arg_0", rolling->text}};
  } else if (const auto* contexts = std::get_if<evals::ContextsRequest>(&request)) {
    for (std::size_t c = 0; c < contexts->contexts.size(); ++c) {
      const auto messages =
          contexts->messages.empty() ? std::vector<evals::ChatMessage>() : contexts->messages[c];
      arguments[fmt::format("gen_args_{}", c)] = {
          {"arg_0", asked_json(contexts->contexts[c], messages)},
          {"arg_1", contexts->continuation}};
    }
  } else {
    const auto& choice = std::get<evals::ChoiceRequest>(request);
    for (std::size_t c = 0; c < choice.continuations.size(); ++c) {
      arguments[fmt::format("gen_args_{}", c)] = {
          {"arg_0", asked_json(choice.context, choice.messages)},
          {"arg_1", choice.continuations[c]}};
    }
  }
  return arguments;
}

// The question as it was put; conversations stay messages where the template is not at hand.
evals::Request asked_request(const EvalReport& report, const evals::Task& task, std::size_t i) {
  evals::Request request = task.request(i);
  return report.chat == nullptr ? request
                                : evals::rendered(std::move(request), renderer(report.chat));
}

// The parts of a sample that need the question as it was put.
void add_arguments(const evals::Request& request, json& sample) {
  sample["arguments"] = arguments_json(request);
  const json& first = sample["arguments"]["gen_args_0"]["arg_0"];
  const std::string prompt = first.is_string() ? first.get<std::string>() : first.dump();
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

json sample_json(const EvalReport& report, const evals::Task& task, const EvalItem& item,
                 const evals::FilterResult& filter) {
  const bool asked = !report.model.empty();  // by us, so that the question and its costs are known
  const auto i = static_cast<std::size_t>(item.result.doc_id);
  json sample = {
      {"doc_id", item.result.doc_id}, {"doc", document_json(task, i)}, {"target", task.target(i)}};
  if (asked) add_arguments(asked_request(report, task, i), sample);
  sample["resps"] = responses_json(item.result.answer);
  sample["filtered_resps"] = filtered_json(item.result, filter);
  sample["filter"] = filter.filter;
  sample["metrics"] = json::array();
  for (const evals::MetricValue& value : filter.metrics) sample["metrics"].push_back(value.metric);
  sample["doc_hash"] = document_hash(sample["doc"]);
  sample["target_hash"] = datasets::sha256_hex(task.target(i));
  for (const evals::MetricValue& value : filter.metrics) {
    sample[value.metric] =
        value.weight.has_value() ? json::array({value.value, *value.weight}) : json(value.value);
  }
  if (!asked) return sample;
  const bool metered = item.energy.status != energy::Status::kNotMeasured;
  sample["seconds"] = static_cast<double>(item.elapsed_ns) * 1e-9;
  sample["joules"] = metered ? json(item.energy.total_joules) : json();
  // Counted for generated text only; a likelihood's tokens are in the record's "evaluated".
  const bool text = std::holds_alternative<std::string>(item.result.answer);
  sample["prompt_tokens"] = text ? json(item.result.prompt_tokens) : json();
  sample["gen_tokens"] = text ? json(item.result.new_tokens) : json();
  sample["dropped_tokens"] = item.tokens.dropped_tokens;
  sample["asked_at_once"] = item.company;
  return sample;
}

json samples_json(const EvalReport& report, const TaskRun& run) {
  json samples = json::array();
  for (const std::string_view name : run.task->info().filters) {
    for (const EvalItem& item : run.items) {
      for (const evals::FilterResult& filter : item.result.filters) {
        if (filter.filter == name) {
          samples.push_back(sample_json(report, *run.task, item, filter));
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
          {"batch_size", std::to_string(report.batch)},
          {"batch_sizes", json::array()},
          {"device", "cpu"},
          {"use_cache", nullptr},
          {"limit", number_or_null(report.limit)},
          {"bootstrap_iters", 100000},
          {"gen_kwargs", nullptr},
          {"random_seed", report.seeds[0]},
          {"numpy_seed", report.seeds[1]},
          {"torch_seed", report.seeds[2]},
          {"fewshot_seed", report.seeds[3]}};
}

// What the files of lm_eval have of one model: tasks in order, keys as theirs.
struct ModelPart {
  json results = json::object(), group_subtasks = json::object(), configs = json::object(),
       versions = json::object(), n_shot = json::object(), higher = json::object(),
       n_samples = json::object(), costs = json::object();
  double seconds = 0;
};

ModelPart model_part(const EvalReport& report, std::size_t subject) {
  ModelPart part;
  for (const TaskRun& run : report.runs) {
    if (run.subject != subject) continue;
    const std::string name(run.task->info().name);
    part.results[name] = scores_json(name, run.items.size(), scores_of(run));
    part.group_subtasks[name] = json::array();
    part.configs[name] = task_config(*run.task);
    part.versions[name] = static_cast<double>(run.task->info().version);
    part.n_shot[name] = run.task->num_fewshot();
    part.higher[name] = higher_is_better(run.task->info());
    part.n_samples[name] = {{"original", run.task->size()}, {"effective", run.items.size()}};
    part.costs[name] = costs_json(run);
    part.seconds += costs(run).seconds;
  }
  return part;
}

json baselines_json(const EvalReport& report) {
  json list = json::array();
  for (std::size_t i = 0; i < report.baselines.size(); ++i) {
    const EvalReport::Baseline& baseline = report.baselines[i];
    ModelPart part = model_part(report, i + 1);
    list.push_back({{"subject", baseline.name},
                    {"model", baseline.model},
                    {"model_num_parameters", baseline.parameters},
                    {"results", std::move(part.results)},
                    {"tasks", std::move(part.costs)}});
  }
  return list;
}

json tern_json(const EvalReport& report, json costs) {
  json object = {{"schema", "tern.record/1"},
                 {"record", report.record_id.empty() ? json() : json(report.record_id)},
                 {"subject", report.subject.empty() ? json() : json(report.subject)},
                 {"status", report.status},
                 {"reasons", report.reasons},
                 {"tasks", std::move(costs)}};
  if (report.baselines.empty()) return object;
  object["baselines"] = baselines_json(report);
  object["paired"] = pairs_json(report);
  return object;
}

// Groups of which all tasks were asked, among the results and by themselves, as lm_eval has them.
void add_groups(const EvalReport& report, std::size_t subject, json& out) {
  std::vector<evals::TaskScores> tasks;
  for (const TaskRun& run : report.runs) {
    if (run.subject != subject || run.items.empty()) continue;
    tasks.push_back({std::string(run.task->info().name), scores_of(run)});
  }
  for (const evals::GroupScores& group : evals::complete_groups(tasks)) {
    const evals::TaskGroup& info = *group.group;
    const auto items = static_cast<std::size_t>(group.scores.at(0).value.n);
    out["groups"][info.name] = scores_json(info.name, items, group.scores);
    out["results"][info.name] = out["groups"][info.name];
    out["group_subtasks"][info.name] = info.groups.empty() ? info.tasks : info.groups;
    out["versions"][info.name] = static_cast<double>(info.version);
  }
}

void add_samples(const EvalReport& report, bool hashes_only, json& out) {
  for (const TaskRun& run : report.runs) {
    if (run.subject != 0) continue;
    const std::string name(run.task->info().name);
    json samples = samples_json(report, run);
    out["task_hashes"][name] = task_hash(samples);
    if (!hashes_only) out["samples"][name] = std::move(samples);
  }
}

// A text with its SHA-256 beside it, or nulls.
void add_with_hash(const std::string& key, const std::string& text, json& out) {
  out[key] = text.empty() ? json() : json(text);
  out[key + "_sha"] = text.empty() ? json() : json(datasets::sha256_hex(text));
}

void add_style(const EvalReport& report, json& out) {
  const bool conversations =
      report.chat != nullptr ||
      std::any_of(report.runs.begin(), report.runs.end(),
                  [](const TaskRun& run) { return run.task->info().chat; }) ||
      report.style.apply_chat_template;
  add_with_hash("system_instruction", report.style.system_instruction, out);
  out["fewshot_as_multiturn"] = conversations ? json(report.style.fewshot_as_multiturn) : json();
  add_with_hash("chat_template", report.chat == nullptr ? "" : report.chat->source, out);
}

}  // namespace

std::string sanitized_name(const std::string& name) {
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

std::string eval_samples(const EvalReport& report, const TaskRun& run) {
  std::string lines;
  for (const json& sample : samples_json(report, run)) {
    lines += sample.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  }
  return lines;
}

std::string eval_json(const EvalReport& report, Samples samples) {
  const bool asked = !report.model.empty();
  ModelPart part = model_part(report, 0);
  json out = {{"results", std::move(part.results)},
              {"groups", json::object()},
              {"group_subtasks", std::move(part.group_subtasks)},
              {"configs", std::move(part.configs)},
              {"versions", std::move(part.versions)},
              {"n-shot", std::move(part.n_shot)},
              {"higher_is_better", std::move(part.higher)},
              {"n-samples", std::move(part.n_samples)}};
  add_groups(report, 0, out);
  if (samples != Samples::kNone) add_samples(report, samples == Samples::kHashes, out);
  out["config"] = config_json(report);
  out["git_hash"] = build_info().commit;
  out["date"] = report.date_unix_s;
  if (asked) out["max_length"] = report.max_length;
  out["model_source"] = asked ? "tern" : "responses";
  out["model_name"] = asked ? report.model : report.answers;
  out["model_name_sanitized"] = sanitized_name(asked ? report.model : report.answers);
  add_style(report, out);
  out["total_evaluation_time_seconds"] = fmt::format("{}", part.seconds);
  out["tern"] = tern_json(report, std::move(part.costs));
  return out.dump(2, ' ', false, json::error_handler_t::replace);
}

}  // namespace tern::harness
