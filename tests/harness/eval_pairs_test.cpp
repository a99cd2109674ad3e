#include "harness/eval_pairs.h"

#include <nlohmann/json.hpp>

#include "harness/report/eval_pairs_report.h"
#include "harness/report/eval_report.h"
#include "tests/harness/counting_task.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

// An item with that score, and what it took.
EvalItem item(std::int64_t doc_id, double score, double joules) {
  EvalItem made;
  made.result.doc_id = doc_id;
  made.result.answer = std::string("an answer");
  made.result.filters = {{"none", "", {{"acc", score}}}};
  made.elapsed_ns = 500'000'000;
  made.energy.status = energy::Status::kMeasured;
  made.energy.total_joules = joules;
  return made;
}

// 12 questions: 5 right for both, 4 for the first alone, 1 for the second alone; the first did not
// answer the last one.
EvalReport report_of(const CountingTask& task) {
  EvalReport report;
  report.model = "m.gguf";
  report.subject = "ternary";
  report.baselines = {{.name = "baseline", .model = "m.gguf", .parameters = 7}};
  report.runs = {{&task, 13, {}, 0}, {&task, 13, {}, 1}};
  for (int i = 0; i < 13; ++i) {
    if (i < 12) report.runs[0].items.push_back(item(i, i < 9 ? 1 : 0, 2));
    report.runs[1].items.push_back(item(i, i < 5 || i == 10 || i == 12 ? 1 : 0, 6));
  }
  return report;
}

TEST_CASE("two models are compared on the questions that both answered") {
  const CountingTask task(13);
  const EvalReport report = report_of(task);
  const std::vector<PairedScore> scores = paired_scores(report.runs);
  REQUIRE(scores.size() == 1);
  const PairedScore& score = scores.front();
  CHECK(score.task == "counting");
  CHECK(score.metric == "acc");
  CHECK(score.against == 1);
  CHECK(score.questions == 12);
  CHECK(score.a == 0.75);
  CHECK(score.b == 0.5);
  CHECK(score.right_or_wrong);
  CHECK(score.only_a == 4);
  CHECK(score.only_b == 1);
  CHECK(score.difference.effect == 0.25);
  // 2 * (C(5,0) + C(5,1)) / 2^5
  CHECK(score.difference.p == Approx(0.375));
  CHECK(score.difference.low < 0.25);
  CHECK(score.difference.high > 0.25);
}

TEST_CASE("scores between 0 and 1 are compared by their differences") {
  const CountingTask task(13);
  EvalReport report = report_of(task);
  for (EvalItem& item : report.runs[0].items) item.result.filters[0].metrics[0].value *= 0.5;
  const PairedScore score = paired_scores(report.runs).front();
  CHECK(!score.right_or_wrong);
  CHECK(score.difference.effect == Approx(0.375 - 0.5));
  CHECK_THAT(pairs_markdown(report), Contains("signed-rank test") && Contains("n/a"));
}

TEST_CASE("the report has both models, their joules and their difference") {
  const CountingTask task(13);
  EvalReport report = report_of(task);
  const std::string text = eval_markdown(report);
  CHECK_THAT(text, Contains("subject=ternary") && Contains("subject=baseline") &&
                       Contains("|         2|          2|") &&
                       Contains("|         6|          2|"));
  CHECK_THAT(text, Contains("+0.2500") && Contains("4 : 1") && Contains("0.375") &&
                       Contains("McNemar's exact test"));
  const json document = json::parse(eval_json(report, Samples::kNone));
  CHECK(document["results"]["counting"]["acc,none"] == 0.75);
  const json& baseline = document["tern"]["baselines"][0];
  CHECK(baseline["subject"] == "baseline");
  CHECK(baseline["results"]["counting"]["acc,none"] == 7.0 / 13);
  CHECK(baseline["tasks"]["counting"]["joules_per_question"] == 6.0);
  const json& pair = document["tern"]["paired"][0];
  CHECK(pair["right_alone"] == 4);
  CHECK(pair["right_alone_against"] == 1);
  CHECK(pair["difference"] == 0.25);
  CHECK(pair["questions"] == 12);

  report.runs[0].items.clear();
  CHECK(paired_scores(report.runs).empty());
  CHECK(json::parse(eval_json(report, Samples::kNone))["tern"]["paired"].empty());
}

TEST_CASE("one model alone has nobody to be compared with") {
  const CountingTask task(13);
  EvalReport report = report_of(task);
  report.baselines.clear();
  report.runs.pop_back();
  CHECK(pairs_markdown(report).empty());
  CHECK(!json::parse(eval_json(report, Samples::kNone))["tern"].contains("paired"));
}

}  // namespace
}  // namespace tern::harness
