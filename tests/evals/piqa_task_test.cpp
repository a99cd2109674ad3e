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
  TaskOptions options;
  options.data = data.folder();
  options.num_fewshot = num_fewshot;
  return find_task("piqa").make(options);
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
  CHECK(*document[2].value.text() == "burn ");
  CHECK(document[3].name == "label");
  CHECK(*document[3].value.integer() == 0);
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

TEST_CASE("piqa: other answers are refused") {
  const TemporaryData data;
  write_items(data);
  const auto task = make(data, 0);
  CHECK_THROWS_WITH(task->score(1, "wait"),
                    "piqa: expected 2 log-likelihoods as the answer to document 1, got text");
  CHECK_THROWS_WITH(task->score(1, ChoiceAnswer(3)), Catch::Contains("document 1, got 3"));
  CHECK_THROWS_WITH(make(data, 2), Catch::Contains("piqa/train.jsonl: cannot be read"));
}

TEST_CASE("piqa: what is wrong with a row is said with its line") {
  const TemporaryData data;
  write_items(data);
  data.write("piqa/valid-labels.lst", "0\n1\n2\n");
  CHECK_THROWS_WITH(make(data), Catch::Contains("piqa/valid.jsonl, line 3: expected a right choice "
                                                "from 0 to 1, got 2"));
  data.write("piqa/valid.jsonl",
             "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\"}\n{\"goal\":\"g\",\"sol1\":[]}\n");
  data.write("piqa/valid-labels.lst", "0\n1\n");
  CHECK_THROWS_WITH(make(data),
                    Catch::Contains("line 2: expected a string \"sol1\", got a JSON array"));
}

// lm_eval draws one more than asked for, and leaves out the question itself.
// Python: r = random.Random(1234); [r.sample(range(5), 3) for _ in range(3)]
// == [[3, 0, 4], [0, 4, 2], [0, 4, 1]]; questions 0, 1 and 2 are examples 3, 4 and 0.
TEST_CASE("piqa: examples are drawn from the training questions") {
  const TemporaryData data;
  write_items(data);
  data.write("piqa/train.jsonl",
             "{\"goal\":\"nothing\",\"sol1\":\"\",\"sol2\":\"wait\"}\n"
             "{\"goal\":\"g1\",\"sol1\":\"a1\",\"sol2\":\"b1\"}\n"
             "{\"goal\":\"g2\",\"sol1\":\"a2\",\"sol2\":\"b2\"}\n"
             "{\"goal\":\"dry a cup\",\"sol1\":\"use towels\",\"sol2\":\"burn \"}\n"
             "{\"goal\":\"say so\",\"sol1\":\"abcd\",\"sol2\":\"\\u00e4\\u00f6\\u00fc\\u00df\"}\n");
  data.write("piqa/train-labels.lst", "0\n0\n1\n0\n1\n");
  const auto task = make(data, 2);
  const auto context = [&](std::size_t i) {
    return std::get<ChoiceRequest>(task->request(i)).context;
  };
  const std::string nothing = "Question: nothing\nAnswer: \n\n";
  const std::string one = "Question: g1\nAnswer: a1\n\n";
  const std::string two = "Question: g2\nAnswer: b2\n\n";
  const std::string say = "Question: say so\nAnswer: \xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\n\n";
  CHECK(context(0) == nothing + say + "Question: dry a cup\nAnswer:");
  CHECK(context(1) == nothing + two + "Question: say so\nAnswer:");
  CHECK(context(2) == say + one + "Question: nothing\nAnswer:");
  CHECK(task->data().size() == 4);
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
