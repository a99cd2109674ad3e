// The tasks on items written for this test, held to what lm-evaluation-harness (4e7e0d4) made of
// the same items: lm_eval_vectors.jsonl has one task per line, the files of its data, and its
// requests, documents and scores.
#include <nlohmann/json.hpp>

#include "datasets/jsonl.h"
#include "evals/aggregate.h"
#include "evals/task.h"
#include "tests/datasets/temporary_data.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using nlohmann::json;
using namespace evals;

std::vector<json> vectors() {
  std::vector<json> all;
  datasets::read_jsonl(std::string(TERN_SOURCE_DIR) + "/tests/evals/lm_eval_vectors.jsonl",
                       [&](const datasets::JsonlPlace&, const json& line) { all.push_back(line); });
  return all;
}

void write_files(const json& vector, const TemporaryData& data) {
  for (const auto& [file, rows] : vector.at("files").items()) {
    std::string text;
    for (const json& row : rows) text += row.dump() + "\n";
    data.write(file, text);
  }
}

std::unique_ptr<Task> make(const json& vector, const TemporaryData& data) {
  TaskOptions options;
  options.data = data.folder();
  return find_task(vector.at("task").get<std::string>()).make(options);
}

json as_json(const std::vector<ChatMessage>& messages) {
  json list = json::array();
  for (const ChatMessage& message : messages)
    list.push_back({{"role", message.role}, {"content", message.content}});
  return list;
}

json as_json(const datasets::Value& value) {
  if (value.text() != nullptr) return *value.text();
  if (value.integer() != nullptr) return *value.integer();
  json result;
  if (value.list() != nullptr) {
    result = json::array();
    for (const datasets::Value& element : *value.list()) result.push_back(as_json(element));
  } else if (value.object() != nullptr) {
    for (const datasets::Member& member : *value.object())
      result[member.key] = as_json(member.value);
  }
  return result;
}

// As the vectors write a request: a context is a text, or of a conversation its messages.
json as_json(const Request& request) {
  if (const auto* contexts = std::get_if<ContextsRequest>(&request)) {
    json list = json::array();
    for (std::size_t i = 0; i < contexts->contexts.size(); ++i) {
      list.push_back(contexts->messages.empty() ? json(contexts->contexts[i])
                                                : as_json(contexts->messages[i]));
    }
    return {{"contexts", list}, {"continuation", contexts->continuation}};
  }
  const auto& choice = std::get<ChoiceRequest>(request);
  return {{"context", choice.messages.empty() ? json(choice.context) : as_json(choice.messages)},
          {"continuations", choice.continuations}};
}

void check_requests(const json& vector, const TemporaryData& data) {
  for (const json& each : vector.at("cases")) {
    TaskOptions options;
    options.data = data.folder();
    options.num_fewshot = each.at("num_fewshot").get<int>();
    options.style.apply_chat_template = each.at("chat").get<bool>();
    options.style.fewshot_as_multiturn = each.at("multiturn").get<bool>();
    options.style.system_instruction = each.at("system").get<std::string>();
    const auto task = find_task(vector.at("task").get<std::string>()).make(options);
    REQUIRE(task->size() == each.at("requests").size());
    for (std::size_t i = 0; i < task->size(); ++i) {
      INFO(task->info().name << ", document " << i << ", shots " << *options.num_fewshot
                             << ", chat " << options.style.apply_chat_template);
      CHECK(as_json(task->request(i)) == each.at("requests").at(i));
    }
  }
}

void check_documents(const json& vector, const Task& task) {
  for (std::size_t i = 0; i < task.size(); ++i) {
    json document;
    for (const Field& field : task.document(i)) document[field.name] = as_json(field.value);
    CHECK(document == vector.at("documents").at(i));
    const json& target = vector.at("targets").at(i);
    CHECK(task.target(i) == (target.is_string() ? target.get<std::string>() : target.dump()));
  }
}

void check_scores(const json& vector, const Task& task) {
  for (const json& each : vector.at("scores")) {
    ChoiceAnswer answer;
    for (const double sum : each.at("lls").get<std::vector<double>>())
      answer.push_back({sum, false, 1});
    const ItemResult result = task.score(each.at("doc_id").get<std::size_t>(), answer);
    REQUIRE(result.filters.size() == 1);
    json metrics;
    for (const MetricValue& value : result.filters[0].metrics) metrics[value.metric] = value.value;
    INFO(task.info().name << " " << each.dump());
    CHECK(metrics == each.at("metrics"));
  }
}

TEST_CASE("multiple choice: requests, documents and scores are lm-evaluation-harness's") {
  int checked = 0;
  for (const json& vector : vectors()) {
    if (!vector.contains("cases")) continue;
    const TemporaryData data;
    write_files(vector, data);
    check_requests(vector, data);
    const auto task = make(vector, data);
    check_documents(vector, *task);
    check_scores(vector, *task);
    ++checked;
  }
  CHECK(checked == 9);
}

TEST_CASE("wikitext: texts, their words and bytes, and the perplexities of all") {
  for (const json& vector : vectors()) {
    if (vector.at("task") != "wikitext") continue;
    const TemporaryData data;
    write_files(vector, data);
    const auto task = make(vector, data);
    std::vector<ItemResult> items;
    for (std::size_t i = 0; i < task->size(); ++i) {
      const auto text = std::get<RollingRequest>(task->request(i)).text;
      CHECK(text == vector.at("texts").at(i).get<std::string>());
      const json& expected = vector.at("items").at(i);
      const double sum = expected.at("byte_perplexity").at(0).get<double>();
      items.push_back(task->score(i, ChoiceAnswer{{sum, false, 1}}));
      for (const MetricValue& value : items.back().filters.at(0).metrics) {
        INFO(value.metric << " " << i);
        CHECK(value.value == sum);
        CHECK(value.weight == expected.at(value.metric).at(1).get<double>());
      }
    }
    const std::vector<Score> scores = aggregate(task->info(), items);
    REQUIRE(scores.size() == 3);
    for (const Score& score : scores) {
      CHECK(score.value.mean ==
            Approx(vector.at("aggregate").at(score.metric).get<double>()).epsilon(1e-14));
      CHECK_FALSE(score.value.standard_error.has_value());
      CHECK_FALSE(score.higher_is_better);
    }
  }
}

}  // namespace
}  // namespace tern::tests
