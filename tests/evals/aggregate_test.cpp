#include "evals/aggregate.h"

#include <algorithm>

#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using namespace evals;

ItemResult item(std::int64_t doc_id, double strict, double flexible) {
  ItemResult result;
  result.doc_id = doc_id;
  result.filters = {{"strict-match", "1", {{"exact_match", strict}}},
                    {"flexible-extract", "1", {{"exact_match", flexible}}}};
  return result;
}

TEST_CASE("mean and standard error") {
  const MeanError five = mean_error(std::vector<double>{1, 0, 0, 1, 1});
  CHECK(five.mean == Approx(0.6).epsilon(1e-15));
  REQUIRE(five.standard_error);
  CHECK(*five.standard_error == Approx(0.24494897427831783).epsilon(1e-14));
  CHECK(five.n == 5);
  CHECK(*mean_error(std::vector<double>{0, 0}).standard_error == 0);
}

TEST_CASE("one value has a mean and no error, none has neither") {
  const MeanError one = mean_error(std::vector<double>{0.25});
  CHECK(one.mean == 0.25);
  CHECK_FALSE(one.standard_error);
  CHECK(mean_error({}).n == 0);
  CHECK_FALSE(mean_error({}).standard_error);
}

TEST_CASE("one score per filter and metric, in the order of the task") {
  const std::vector<ItemResult> items = {item(0, 0, 1), item(1, 1, 1), item(2, 0, 1),
                                         item(3, 0, 0)};
  const std::vector<Score> scores = aggregate(find_task("gsm8k"), items);
  REQUIRE(scores.size() == 2);
  CHECK(scores[0].filter == "strict-match");
  CHECK(scores[0].metric == "exact_match");
  CHECK(scores[0].higher_is_better);
  CHECK(scores[0].value.mean == 0.25);
  CHECK(scores[1].filter == "flexible-extract");
  CHECK(scores[1].value.mean == 0.75);
  CHECK(scores[1].value.n == 4);
}

TEST_CASE("the order of the work changes no digit") {
  std::vector<ItemResult> items;
  for (int i = 0; i < 50; ++i) items.push_back(item(i, 0.1 * i, 1.0 / (i + 1)));
  const std::vector<Score> forwards = aggregate(find_task("gsm8k"), items);
  std::reverse(items.begin(), items.end());
  const std::vector<Score> backwards = aggregate(find_task("gsm8k"), items);
  for (std::size_t i = 0; i < forwards.size(); ++i) {
    CHECK(forwards[i].value.mean == backwards[i].value.mean);
    CHECK(forwards[i].value.standard_error == backwards[i].value.standard_error);
  }
}

TEST_CASE("items without the filter or metric do not count") {
  const std::vector<ItemResult> items = {item(0, 1, 1)};
  for (const Score& score : aggregate(find_task("piqa"), items)) CHECK(score.value.n == 0);
}

// Expected values were printed by lm-evaluation-harness's functions for [1,0,0,1], [1,1,0] and
// [0,0,1,0,0,1].
TEST_CASE("a group's score is the tasks' by their sizes, its error the pooled one") {
  const auto score = [](std::vector<double> values) {
    return std::vector<Score>{{"acc", "none", true, mean_error(values)}};
  };
  const std::vector<std::vector<Score>> tasks = {score({1, 0, 0, 1}), score({1, 1, 0}),
                                                 score({0, 0, 1, 0, 0, 1})};
  const std::vector<Score> group = aggregate_group(tasks);
  REQUIRE(group.size() == 1);
  CHECK(group[0].metric == "acc");
  CHECK(group[0].value.n == 13);
  CHECK(group[0].value.mean == Approx(0.46153846153846156).epsilon(1e-14));
  REQUIRE(group[0].value.standard_error.has_value());
  CHECK(*group[0].value.standard_error == Approx(0.15191090506255).epsilon(1e-13));
  const std::vector<std::vector<Score>> one = {score({1, 0, 0, 1}), score({1})};
  CHECK_FALSE(aggregate_group(one)[0].value.standard_error.has_value());
  CHECK(aggregate_group({}).empty());
}

TEST_CASE("a group has a score when all of its tasks have one") {
  std::vector<TaskScores> tasks;
  for (const std::string& task : find_group("mmlu")->tasks) {
    const bool stem = find_task(task).group == "mmlu_stem";
    const std::vector<double> values = {stem ? 1.0 : 0.0, 0.0};
    tasks.push_back({task, {{"acc", "none", true, mean_error(values)}}});
  }
  const std::vector<GroupScores> complete = complete_groups(tasks);
  REQUIRE(complete.size() == 5);
  CHECK(complete[0].group->name == "mmlu");
  CHECK(complete[0].scores.at(0).value.n == 114);
  CHECK(complete[0].scores.at(0).value.mean == Approx(19 * 0.5 / 57));
  for (const GroupScores& group : complete)
    if (group.group->name == "mmlu_stem") CHECK(group.scores.at(0).value.mean == 0.5);
  tasks.pop_back();  // mmlu_world_religions, of the humanities
  CHECK(complete_groups(tasks).size() == 3);
}

}  // namespace
}  // namespace tern::tests
