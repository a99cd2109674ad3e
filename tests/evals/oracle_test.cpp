// Prompts, filters and scores of lm-evaluation-harness itself, where its vectors are at hand.
#include <map>
#include <nlohmann/json.hpp>

#include "datasets/jsonl.h"
#include "datasets/manifest.h"
#include "evals/aggregate.h"
#include "evals/filter.h"
#include "evals/python_random.h"
#include "evals/task.h"
#include "evals/text.h"
#include "tests/datasets/temporary_data.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;
using namespace evals;

fs::path shared() { return fs::path(TERN_SOURCE_DIR) / "../shared"; }
fs::path vectors(const char* name) { return shared() / "oracle/evals" / name; }

bool at_hand() {
  const bool there = fs::exists(shared() / "oracle/evals") && fs::exists(shared() / "datasets");
  if (!there) WARN("skipped: no vectors under " << shared());
  return there;
}

std::vector<json> lines(const fs::path& path) {
  std::vector<json> all;
  datasets::read_jsonl(path,
                       [&](const datasets::JsonlPlace&, const json& line) { all.push_back(line); });
  return all;
}

json summary() { return json::parse(datasets::read_file(vectors("summary.json"))); }

std::unique_ptr<Task> make(const char* name) {
  TaskOptions options;
  options.data = shared() / "datasets";
  return find_task(name).make(options);
}

void check_mean(const MeanError& found, const json& expected) {
  CHECK(found.n == expected.at("n").get<int>());
  CHECK(found.mean == Approx(expected.at("mean").get<double>()).epsilon(1e-14));
  REQUIRE(found.standard_error);
  CHECK(*found.standard_error == Approx(expected.at("stderr").get<double>()).epsilon(1e-13));
}

// {"strict-match": ["[invalid]", 0.0], …}, as the vectors write a scored answer.
json filtered(const ItemResult& result) {
  json found;
  for (const FilterResult& filter : result.filters)
    found[filter.filter] = {filter.response, filter.metrics.at(0).value};
  return found;
}

TEST_CASE("vectors: few-shot draws and prompts of gsm8k, byte by byte") {
  if (!at_hand()) return;
  const auto task = make("gsm8k");
  const auto prompt = [&](const json& line) {
    return std::get<TextRequest>(task->request(line.at("doc_id").get<std::size_t>())).prompt;
  };
  for (const json& line : lines(vectors("gsm8k_5shot_prompts.jsonl")))
    CHECK(prompt(line) == line.at("prompt").get<std::string>());
  std::map<std::size_t, json> draws;
  for (const json& line : lines(vectors("gsm8k_5shot_index.jsonl"))) {
    CHECK(datasets::sha256_hex(prompt(line)) == line.at("prompt_sha256").get<std::string>());
    draws[line.at("doc_id").get<std::size_t>()] = line.at("fewshot_train_idx");
  }
  PythonRandom random(1234);
  for (std::size_t i = 0; i < task->size(); ++i) {
    const std::vector<std::size_t> drawn = random.sample(7473, 5);
    if (draws.contains(i)) CHECK(json(drawn) == draws[i]);
  }
}

TEST_CASE("vectors: prompts of the tasks with fixed examples, byte by byte") {
  if (!at_hand()) return;
  for (const char* name : {"gsm8k_cot", "gsm8k_cot_llama"}) {
    const auto task = make(name);
    CHECK(task->num_fewshot() == 8);
    for (const json& line : lines(vectors((std::string(name) + "_prompts.jsonl").c_str()))) {
      const auto i = line.at("doc_id").get<std::size_t>();
      const auto request = std::get<TextRequest>(task->request(i));
      CHECK(request.prompt == line.at("prompt").get<std::string>());
      CHECK(json(request.limits.until) == line.at("generation_kwargs").at("until"));
      CHECK(request.messages.empty());
      CHECK(*task->document(i).at(1).value.text() == line.at("target").get<std::string>());
    }
  }
}

TEST_CASE("vectors: conversations, turn by turn and in one message") {
  if (!at_hand()) return;
  const json all = json::parse(datasets::read_file(vectors("chat_messages.json")));
  int checked = 0;
  for (const auto& [name, conversations] : all.items()) {
    const bool multiturn = name.ends_with("_multiturn");
    const std::string task_name = name.substr(0, name.rfind(multiturn ? "_multiturn" : "_single"));
    TaskOptions options;
    options.data = shared() / "datasets";
    options.style.apply_chat_template = true;
    options.style.fewshot_as_multiturn = multiturn;
    const auto task = find_task(task_name).make(options);
    for (std::size_t i = 0; i < conversations.size(); ++i) {
      const auto request = std::get<TextRequest>(task->request(i));
      CHECK(request.prompt.empty());
      json messages = json::array();
      for (const ChatMessage& message : request.messages)
        messages.push_back({{"role", message.role}, {"content", message.content}});
      INFO(name << " " << i);
      CHECK(messages == conversations.at(i).at("messages"));
      ++checked;
    }
  }
  CHECK(checked == 12);
}

TEST_CASE("vectors: awkward answers to gsm8k and its kin") {
  if (!at_hand()) return;
  std::map<std::string, int> cases;
  for (const json& line : lines(vectors("gsm8k_hard_cases.jsonl"))) {
    const auto name = line.at("task").get<std::string>();
    const TemporaryData data;
    data.write("gsm8k/test.jsonl",
               json{{"question", "?"}, {"answer", line.at("gold")}}.dump() + "\n");
    TaskOptions options;
    options.data = data.folder();
    options.scoring_only = true;
    const auto task = find_task(name).make(options);
    const auto response = line.at("response").get<std::string>();
    INFO(name << ": " << response);
    CHECK(filtered(task->score(0, response)) == line.at("result"));
    CHECK(task->target(0) == line.at("target").get<std::string>());
    ++cases[name];
  }
  CHECK(cases.size() == 3);
}

TEST_CASE("vectors: the metric and the stop strings") {
  if (!at_hand()) return;
  const std::vector<std::string> ignored = {",", "\\$", "(?s).*#### ", "\\.$"};
  const ExactMatch exact_match(ignored, true);
  for (const json& line : lines(vectors("exact_match_cases.jsonl"))) {
    INFO(line.dump());
    CHECK(exact_match(line.at("prediction").get<std::string>(),
                      line.at("reference").get<std::string>()) == line.at("score").get<double>());
  }
  for (const json& line : lines(vectors("postprocess_cases.jsonl"))) {
    INFO(line.dump());
    CHECK(cut_at_stops(line.at("generation").get<std::string>(),
                       line.at("stop").get<std::vector<std::string>>()) ==
          line.at("result").get<std::string>());
  }
}

std::string with_hashes(std::string text) {
  const std::size_t at = text.rfind("A: ");
  return at == std::string::npos ? text : text.replace(at, 3, "#### ");
}

// All answers of one model, raw and rewritten to end as the task's own solutions do.
void check_solutions(const Task& task, const std::string& model, const std::vector<json>& solutions,
                     const std::map<std::pair<std::string, int>, json>& scored, const json& means) {
  for (const bool hashed : {false, true}) {
    const std::string form = hashed ? "hashed" : "raw";
    std::vector<ItemResult> results;
    for (std::size_t i = 0; i < solutions.size(); ++i) {
      const auto text = solutions[i].at(model).at("solution").get<std::string>();
      results.push_back(task.score(i, hashed ? with_hashes(text) : text));
      const auto expected = scored.find({model, static_cast<int>(i)});
      if (expected == scored.end()) continue;
      INFO(model << " " << form << " " << i);
      CHECK(filtered(results.back()) == expected->second.at(form));
    }
    for (const Score& score : aggregate(task.info(), results))
      check_mean(score.value, means.at(form + "." + score.filter));
  }
}

TEST_CASE("vectors: 5276 answers of real models to gsm8k") {
  if (!at_hand()) return;
  const auto task = make("gsm8k");
  const std::vector<json> solutions =
      lines(shared() / "datasets/gsm8k/example_model_solutions.jsonl");
  REQUIRE(solutions.size() == task->size());
  std::map<std::pair<std::string, int>, json> scored;
  for (const json& line : lines(vectors("gsm8k_scored_model_solutions.jsonl")))
    scored[{line.at("model").get<std::string>(), line.at("doc_id").get<int>()}] = line;
  const json means = summary();
  for (const char* model :
       {"6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"})
    check_solutions(*task, model, solutions, scored, means.at(std::string("gsm8k_") + model));
}

TEST_CASE("vectors: requests of piqa") {
  if (!at_hand()) return;
  const auto task = make("piqa");
  const auto request = [&](const json& line) {
    return std::get<ChoiceRequest>(task->request(line.at("doc_id").get<std::size_t>()));
  };
  for (const json& line : lines(vectors("piqa_pairs.jsonl"))) {
    CHECK(request(line).context == line.at("context").get<std::string>());
    CHECK(request(line).continuations == line.at("continuations").get<std::vector<std::string>>());
  }
  for (const json& line : lines(vectors("piqa_index.jsonl"))) {
    const ChoiceRequest found = request(line);
    // Python's json.dumps puts a space after each comma.
    const std::string text = "[" + json(found.context).dump() + ", " +
                             json(found.continuations[0]).dump() + ", " +
                             json(found.continuations[1]).dump() + "]";
    CHECK(datasets::sha256_hex(text) == line.at("sha256").get<std::string>());
    for (std::size_t i = 0; i < 2; ++i)
      CHECK(code_points(found.continuations[i]) - 1 == line.at("chars").at(i).get<std::size_t>());
  }
}

TEST_CASE("vectors: scores of piqa") {
  if (!at_hand()) return;
  const auto task = make("piqa");
  for (const json& line : lines(vectors("piqa_scoring.jsonl"))) {
    const auto lls = line.at("lls").get<std::vector<double>>();
    const ItemResult result = task->score(line.at("doc_id").get<std::size_t>(),
                                          ChoiceAnswer{{lls[0], false, 1}, {lls[1], false, 1}});
    INFO(line.dump());
    CHECK(result.filters[0].metrics[0].value == line.at("acc").get<double>());
    CHECK(result.filters[0].metrics[1].value == line.at("acc_norm").get<double>());
    CHECK(task->target(line.at("doc_id").get<std::size_t>()) ==
          std::to_string(line.at("label").get<int>()));
  }
}

TEST_CASE("vectors: means and standard errors") {
  if (!at_hand()) return;
  const json all = summary();  // a range-for would not keep a temporary behind at() alive
  for (json example : all.at("mean_stderr_examples")) {
    const auto values = example.at("values").get<std::vector<double>>();
    example["n"] = values.size();
    check_mean(mean_error(values), example);
  }
}

}  // namespace
}  // namespace tern::tests
