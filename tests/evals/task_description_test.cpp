// Tasks described by a user: a new one needs no code.
#include "evals/task_description.h"

#include <nlohmann/json.hpp>

#include "datasets/error.h"
#include "evals/error.h"
#include "evals/task.h"
#include "tests/datasets/temporary_data.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using namespace evals;
using nlohmann::json;

json quiz() {
  return json::parse(R"({"task": "quiz", "version": 1, "output_type": "multiple_choice",
    "data": {"test": "quiz/test.jsonl", "fewshot": "quiz/train.jsonl", "columns": {"q": "string", "a": "list", "right": "integer"}},
    "doc_to_text": "{{q}}", "doc_to_choice": "{{a}}", "doc_to_target": "{{right}}",
    "target_delimiter": "=", "fewshot_delimiter": ";", "num_fewshot": 1,
    "fewshot_config": {"sampler": "first_n"}, "metric_list": ["acc", "acc_bytes"]})");
}

std::vector<TaskDescription> parsed(const json& description) {
  return parse_task_descriptions(description.dump(), "quiz.json", [](std::string_view name) {
    return name == "loop" ? R"({"include": "loop"})" : quiz().dump();
  });
}

void refused(json description, const std::string& says) {
  INFO(description.dump());
  CHECK_THROWS_WITH(parsed(description), Catch::Contains(says));
}

json with(const char* key, const json& value) {
  json description = quiz();
  description[key] = value;
  return description;
}

TEST_CASE("a user's multiple-choice task is a file") {
  const TemporaryData data;
  data.write("quiz.json", quiz().dump());
  data.write("quiz/test.jsonl", R"({"q":"2+2","a":["3","4"],"right":1})");
  data.write("quiz/train.jsonl", R"({"q":"1+1","a":["2","1"],"right":0})");
  const std::string file = (data.folder() / "quiz.json").string();
  const TaskInfo& info = find_task(file);
  CHECK(&info == &find_task(file));
  CHECK(info.name == "quiz");
  CHECK(info.folder == "quiz");
  TaskOptions options;
  options.data = data.folder();
  const auto task = info.make(options);
  const auto request = std::get<ChoiceRequest>(task->request(0));
  CHECK(request.context == "1+1=2;2+2");
  CHECK(request.continuations == std::vector<std::string>{"=3", "=4"});
  const ItemResult result = task->score(0, ChoiceAnswer{{-2, false, 1}, {-1, false, 1}});
  REQUIRE(result.filters.at(0).metrics.size() == 2);
  CHECK(result.filters[0].metrics[1].metric == "acc_bytes");
  CHECK(result.filters[0].metrics[1].value == 1);
  data.write("quiz/test.jsonl", "{\"q\":\"2+2\",\"a\":[\"3\"],\"right\":0}\n{\"q\":1,\"a\":[]}\n");
  CHECK_THROWS_WITH(info.make(options),
                    Catch::Contains("quiz/test.jsonl, line 2: expected a "
                                    "integer \"right\", got an object without"));
}

TEST_CASE("choices are compared per byte and per character where told to") {
  const TemporaryData data;
  json description = with("metric_list", {"acc", "acc_norm", "acc_bytes"});
  description["task"] = "lengths";
  description["num_fewshot"] = 0;
  data.write("lengths.json", description.dump());
  data.write("quiz/test.jsonl", R"({"q":"?","a":["abcd","\u00e4\u00f6\u00fc"],"right":1})");
  TaskOptions options;
  options.data = data.folder();
  const auto task = find_task((data.folder() / "lengths.json").string()).make(options);
  const auto values = [&](double first, double second) {
    const ItemResult result = task->score(0, ChoiceAnswer{{first, false, 1}, {second, false, 1}});
    std::vector<double> list;
    for (const MetricValue& value : result.filters[0].metrics) list.push_back(value.value);
    return list;
  };
  using Values = std::vector<double>;
  CHECK(values(-4, -3.3) == Values{1, 0, 1});  // -1, -1.1 a character; -1, -0.55 a byte
  CHECK(values(-4, -5.9) == Values{0, 0, 1});  // -0.98 a byte
  CHECK(values(-4, -6.1) == Values{0, 0, 0});
}

TEST_CASE("a name that is taken, and a file that is not there") {
  const TemporaryData data;
  data.write("piqa.json", with("task", "piqa").dump());
  CHECK_THROWS_WITH(find_task((data.folder() / "piqa.json").string()),
                    Catch::Contains("a name no other task has, got \"piqa\""));
  CHECK_THROWS_AS(find_task((data.folder() / "none.json").string()), datasets::FormatError);
}

TEST_CASE("what a description lacks or gets wrong is said by its key") {
  for (const char* key :
       {"task", "output_type", "data", "doc_to_text", "doc_to_target", "doc_to_choice"}) {
    json description = quiz();
    description.erase(key);
    refused(description, std::string("\"") + key + "\"");
  }
  refused(with("output_typ", "x"), "quiz.json: expected no key \"output_typ\"");
  refused(with("output_type", "guess"), "one of multiple_choice, generate_until");
  refused(with("task", "a b"), "task: expected a name");
  refused(with("task", 3), "task: expected a string, got 3");
  refused(with("version", -1), "version: expected a whole number from 0");
  refused(with("num_fewshot", "two"), "num_fewshot: expected a whole number from 0");
  refused(with("doc_to_text", "{{q"), "doc_to_text: template \"{{q\": expected }}");
  refused(with("doc_to_choice", json::array()), "at least one choice");
  refused(with("doc_to_choice", {1}), "a list of strings, got 1");
  refused(with("metric_list", {"f1"}), "metric_list: expected one of acc, acc_norm, acc_bytes");
  refused(with("filter_list", json::array()), "filter_list: expected no filters");
  refused(with("generation_kwargs", {{"do_sample", true}}), "answers are greedy");
  refused(with("fewshot_config", {{"sampler", "balanced"}}), "one of default, first_n");
  refused(with("data", {{"test", "../x/y.jsonl"}}), "data: test: expected a file in a folder");
  refused(with("data", {{"test", "test.jsonl"}}), "data: test: expected a file in a folder");
  refused(with("data", {{"test", "q/t.jsonl"}, {"forms", {"x"}}}), "ai2_question or hellaswag");
  refused(with("data", {{"test", "q/t.jsonl"}, {"columns", {{"q", "text"}}}}),
          "column q: expected any, string");
  refused(json::array(), "quiz.json: expected a JSON object, got a JSON array");
}

TEST_CASE("filters of a text answer") {
  json description = with("output_type", "generate_until");
  description.erase("doc_to_choice");
  description["metric_list"] = {"exact_match"};
  const auto filter = [&](const json& value) {
    json changed = description;
    changed["filter_list"] = json::array({value});  // not {value}, which clang copies
    return changed;
  };
  const auto tasks =
      parsed(filter({{"name", "last"}, {"regex_pattern", "[a-z]+"}, {"group_select", -1}}));
  CHECK(tasks.at(0).filters.at(0).last_match);
  CHECK(tasks.at(0).limits.until == std::vector<std::string>{";"});
  refused(filter({{"name", "x"}, {"regex_pattern", "("}}), "expected a regular expression");
  refused(filter({{"name", "x"}, {"regex_pattern", "\xc3\xa4"}}), "ASCII");
  refused(filter({{"name", "x"}, {"regex_pattern", "a"}, {"group_select", 1}}), "the first match");
  refused(filter({{"regex_pattern", "a"}}), "\"name\"");
}

TEST_CASE("a description may include another, and be one for each of many words") {
  CHECK(parsed({{"include", "quiz"}, {"task", "other"}}).at(0).task == "other");
  refused({{"include", "loop"}, {"task", "x"}}, "at most 4 descriptions");
  json each = quiz();
  each["each"] = {{"exams", {"old_maths", "art"}}};
  each["group"] = "all_exams";
  each["task"] = "exam_<each>";
  each["description"] = "About <each words>.";
  const auto tasks = parsed(each);
  REQUIRE(tasks.size() == 2);
  CHECK(tasks[0].task == "exam_old_maths");
  CHECK(tasks[0].description->source() == "About old maths.");
  CHECK(tasks[1].group == "exams");
  CHECK(tasks[1].parent_group == "all_exams");
  each["each"] = {{"exams", {"a/b"}}};
  refused(each, "words of letters");
}

}  // namespace
}  // namespace tern::tests
