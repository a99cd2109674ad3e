#include "datasets/error.h"
#include "evals/error.h"
#include "evals/task.h"
#include "tests/datasets/temporary_data.h"
#include "tests/evals/scripted_model.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using namespace evals;

void write_items(const TemporaryData& data, int examples) {
  data.write(
      "gsm8k/test.jsonl",
      "{\"question\":\"Ada has 2 pens and buys 3. How many?\",\"answer\":\"2+3=<<2+3=5>>5\\n#### "
      "5\"}\n"
      "{\"question\":\"A path of 1,200 m, twice?\",\"answer\":\"2*1200=2400\\n#### 2,400\"}\n");
  std::string train;
  for (int i = 0; i < examples; ++i) {
    const std::string n = std::to_string(i);
    train += "{\"question\":\"q" + n + "\",\"answer\":\"a" + n + "\\n#### " + n + "\"}\n";
  }
  data.write("gsm8k/train.jsonl", train);
}

std::unique_ptr<Task> make(const TemporaryData& data, std::optional<int> num_fewshot,
                           bool scoring_only = false) {
  TaskOptions options;
  options.data = data.folder();
  options.num_fewshot = num_fewshot;
  options.scoring_only = scoring_only;
  return find_task("gsm8k").make(options);
}

std::string prompt(const Task& task, std::size_t i) {
  return std::get<TextRequest>(task.request(i)).prompt;
}

std::vector<double> matches(const ItemResult& result) {
  std::vector<double> values;
  for (const FilterResult& filter : result.filters) values.push_back(filter.metrics.at(0).value);
  return values;
}

TEST_CASE("gsm8k: the question stands as lm-evaluation-harness asks it") {
  const TemporaryData data;
  write_items(data, 0);
  const auto task = make(data, 0);
  REQUIRE(task->size() == 2);
  CHECK(prompt(*task, 0) == "Question: Ada has 2 pens and buys 3. How many?\nAnswer:");
  const auto request = std::get<TextRequest>(task->request(1));
  CHECK(request.limits.until == std::vector<std::string>{"Question:", "</s>", "<|im_end|>"});
  CHECK(request.limits.max_tokens == 256);
  CHECK(task->target(0) == "2+3=<<2+3=5>>5\n#### 5");
  const std::vector<Field> document = task->document(1);
  REQUIRE(document.size() == 2);
  CHECK(document[0].name == "question");
  CHECK(*document[1].value.text() == "2*1200=2400\n#### 2,400");
}

// Python: r = random.Random(1234); [r.sample(range(8), 2) for _ in range(2)] == [[7, 0], [0, 7]]
TEST_CASE("gsm8k: examples are drawn document by document from one generator") {
  const TemporaryData data;
  write_items(data, 8);
  const auto task = make(data, 2);
  CHECK(task->num_fewshot() == 2);
  const auto shot = [](int n) {
    const std::string i = std::to_string(n);
    return "Question: q" + i + "\nAnswer: a" + i + "\n#### " + i + "\n\n";
  };
  CHECK(prompt(*task, 0) ==
        shot(7) + shot(0) + "Question: Ada has 2 pens and buys 3. How many?\nAnswer:");
  CHECK(prompt(*task, 1) == shot(0) + shot(7) + "Question: A path of 1,200 m, twice?\nAnswer:");
  CHECK(
      prompt(*make(data, std::nullopt), 0).find(shot(7) + shot(0) + shot(6) + shot(5) + shot(4)) ==
      0);
}

TEST_CASE("gsm8k: too few examples, and a negative number of them, are refused") {
  const TemporaryData data;
  write_items(data, 3);
  CHECK_THROWS_WITH(make(data, std::nullopt), Catch::Contains("expected 5 few-shot examples in") &&
                                                  Catch::Contains("train.jsonl, got 3"));
  CHECK_THROWS_WITH(make(data, -1), "gsm8k: expected 0 few-shot examples or more, got -1");
}

TEST_CASE("gsm8k: scoring needs no examples, asking does") {
  const TemporaryData data;
  write_items(data, 3);
  std::filesystem::remove(data.folder() / "gsm8k/train.jsonl");
  CHECK_THROWS_AS(make(data, 5), datasets::FormatError);
  const auto task = make(data, std::nullopt, true);
  CHECK(task->num_fewshot() == 5);
  CHECK(matches(task->score(0, "#### 5")) == std::vector<double>{1, 1});
  CHECK(task->data().size() == 1);
}

TEST_CASE("gsm8k: two filters judge an answer") {
  const TemporaryData data;
  write_items(data, 0);
  const auto task = make(data, 0);
  const auto scored = [&](std::size_t i, const char* text) {
    return task->score(i, std::string(text));
  };
  CHECK(matches(scored(0, "2+3 is 5.\n#### 5")) == std::vector<double>{1, 1});
  CHECK(matches(scored(0, "It is 5.")) == std::vector<double>{0, 1});
  CHECK(matches(scored(0, "#### 5, of 7")) == std::vector<double>{1, 0});
  CHECK(matches(scored(1, "#### $2400")) == std::vector<double>{0, 1});
  CHECK(matches(scored(1, "#### 2400.")) == std::vector<double>{1, 1});
  CHECK(matches(scored(0, "5.")) == std::vector<double>{0, 1});
  CHECK(matches(scored(0, "It is 5 $ .")) == std::vector<double>{0, 1});  // one sign is no number
  CHECK(matches(scored(0, "It is -5")) == std::vector<double>{0, 0});
  CHECK(matches(scored(1, "")) == std::vector<double>{0, 0});
  const ItemResult result = scored(1, "say 2,400.");
  CHECK(result.doc_id == 1);
  CHECK(std::get<std::string>(result.answer) == "say 2,400.");
  CHECK(result.filters[0].filter == "strict-match");
  CHECK(result.filters[0].response == "[invalid]");
  CHECK(result.filters[1].filter == "flexible-extract");
  CHECK(result.filters[1].response == "2,400.");
  CHECK(result.filters[1].metrics[0].metric == "exact_match");
}

TEST_CASE("gsm8k: log-likelihoods are no answer") {
  const TemporaryData data;
  write_items(data, 0);
  CHECK_THROWS_AS(make(data, 0)->score(0, ChoiceAnswer(2)), Error);
}

TEST_CASE("gsm8k: a model is asked, and what it says is scored") {
  const TemporaryData data;
  write_items(data, 0);
  const auto task = make(data, 0);
  ScriptedModel model;
  model.generation = {" 5\n#### 5\n\n", 30, 7, 2};
  const ItemResult result = evaluate(*task, 0, model);
  CHECK(model.asked == std::vector<std::string>{prompt(*task, 0)});
  CHECK(model.limits.until.size() == 3);
  CHECK(matches(result) == std::vector<double>{1, 1});
  CHECK(result.prompt_tokens == 30);
  CHECK(result.new_tokens == 7);
  CHECK(result.dropped_tokens == 2);
}

}  // namespace
}  // namespace tern::tests
