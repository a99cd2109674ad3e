#include "evals/error.h"
#include "evals/task.h"
#include "tests/datasets/temporary_data.h"
#include "tests/evals/scripted_model.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using namespace evals;

// Document 0: 10 and 5 characters. Document 1: 4 characters each, 4 and 8 bytes.
void write_items(const TemporaryData& data) {
  data.write("piqa/valid.jsonl",
             "{\"goal\":\"dry a cup\",\"sol1\":\"use towels\",\"sol2\":\"burn \"}\n"
             "{\"goal\":\"say so\",\"sol1\":\"abcd\",\"sol2\":\"\\u00e4\\u00f6\\u00fc\\u00df\"}\n"
             "{\"goal\":\"nothing\",\"sol1\":\"\",\"sol2\":\"wait\"}\n");
  data.write("piqa/valid-labels.lst", "0\n1\n0\n");
}

std::unique_ptr<Task> make(const TemporaryData& data, std::optional<int> num_fewshot = {}) {
  return find_task("piqa").make({data.folder(), num_fewshot, false});
}

std::vector<double> scores(const Task& task, std::size_t i, double first, double second) {
  const ItemResult result = task.score(i, ChoiceAnswer{{first, false, 1}, {second, false, 1}});
  CHECK(result.doc_id == static_cast<std::int64_t>(i));
  REQUIRE(result.filters.size() == 1);
  CHECK(result.filters[0].filter == "none");
  REQUIRE(result.filters[0].metrics.size() == 2);
  CHECK(result.filters[0].metrics[0].metric == "acc");
  CHECK(result.filters[0].metrics[1].metric == "acc_norm");
  return {result.filters[0].metrics[0].value, result.filters[0].metrics[1].value};
}

using Scores = std::vector<double>;

TEST_CASE("piqa: a context and two continuations, unstripped") {
  const TemporaryData data;
  write_items(data);
  const auto task = make(data);
  REQUIRE(task->size() == 3);
  const auto request = std::get<ChoiceRequest>(task->request(0));
  CHECK(request.context == "Question: dry a cup\nAnswer:");
  CHECK(request.continuations == std::vector<std::string>{" use towels", " burn "});
  CHECK(task->target(1) == "1");
  const std::vector<Field> document = task->document(0);
  REQUIRE(document.size() == 4);
  CHECK(std::get<std::string>(document[2].value) == "burn ");
  CHECK(document[3].name == "label");
  CHECK(std::get<std::int64_t>(document[3].value) == 0);
  CHECK(task->num_fewshot() == 0);
  CHECK(task->data().size() == 2);
}

TEST_CASE("piqa: the likelier solution, and the likelier one per character") {
  const TemporaryData data;
  write_items(data);
  const auto task = make(data);
  CHECK(scores(*task, 0, -10, -20) == Scores{1, 1});
  CHECK(scores(*task, 0, -10, -9) == Scores{0, 1});  // -1.0 and -1.8 per character
  CHECK(scores(*task, 0, -30, -9) == Scores{0, 0});  // -3.0 and -1.8
  CHECK(scores(*task, 1, -4, -6) == Scores{0, 0});   // by bytes the second would win
  CHECK(scores(*task, 1, -6, -4) == Scores{1, 1});
}

TEST_CASE("piqa: of equals the first, as numpy has it") {
  const TemporaryData data;
  write_items(data);
  const auto task = make(data);
  CHECK(scores(*task, 0, -4, -4) == Scores{1, 1});
  CHECK(scores(*task, 1, -4, -4) == Scores{0, 0});
  CHECK(scores(*task, 0, -10, -5) == Scores{0, 1});
  CHECK(scores(*task, 2, -1, -9) == Scores{1, 0});  // no character: minus infinity per character
  CHECK(scores(*task, 2, 0, -9) == Scores{1, 1});   // 0/0 counts as the most
}

TEST_CASE("piqa: other answers and few-shot examples are refused") {
  const TemporaryData data;
  write_items(data);
  const auto task = make(data, 0);
  CHECK_THROWS_WITH(task->score(1, "wait"),
                    "piqa: expected 2 log-likelihoods as the answer to document 1, got text");
  CHECK_THROWS_WITH(task->score(1, ChoiceAnswer(3)), Catch::Contains("document 1, got 3"));
  CHECK_THROWS_WITH(make(data, 2),
                    Catch::Contains("expected 0 few-shot examples") && Catch::Contains("got 2"));
}

TEST_CASE("piqa: a model is asked once per document") {
  const TemporaryData data;
  write_items(data);
  const auto task = make(data);
  ScriptedModel model;
  model.likelihoods = {{" use towels", -3}, {" burn ", -2}};
  const ItemResult result = evaluate(*task, 0, model);
  CHECK(model.asked == std::vector<std::string>{"Question: dry a cup\nAnswer:"});
  CHECK(result.filters[0].metrics[0].value == 0);
  CHECK(result.filters[0].metrics[1].value == 1);
  CHECK(std::get<ChoiceAnswer>(result.answer)[1].log_likelihood == -2);
}

}  // namespace
}  // namespace tern::tests
