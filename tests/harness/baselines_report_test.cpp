// What becomes of a run with several baselines: its report in every format, its comparison, its
// page.

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/comparison.h"
#include "harness/error.h"
#include "harness/report/bench_report.h"
#include "harness/report/writer.h"
#include "harness/side.h"
#include "harness/store_source.h"
#include "harness/trial_order.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

const std::vector<std::string> kNames = {"ternary", "baseline", "baseline:bf16"};
const TestCase kDecode{.gen = 16};

// The first baseline takes 2 and 8 times as long as the ternary model, the second one 3 and 12
// times, pair by pair: ratios of 4 and 6.
std::vector<Trial> trials(int pairs) {
  std::vector<Trial> all;
  for (int pair = 0; pair < pairs; ++pair) {
    for (const std::size_t subject : trial_order(kNames.size(), pair)) {
      constexpr std::int64_t kSlow[] = {1, 2, 3};
      Trial trial;
      trial.subject = kNames[subject];
      trial.test = kDecode.name();
      trial.pair = pair;
      trial.order_index = static_cast<int>(all.size());
      trial.elapsed_ns = 100'000'000 * kSlow[subject] * (subject > 0 && pair % 2 == 1 ? 4 : 1);
      trial.tokens = 16;
      trial.energy.why = "no meter here";
      all.push_back(trial);
    }
  }
  return all;
}

BenchReport report_of(const std::vector<Trial>& some, std::size_t subjects = 3) {
  std::vector<SubjectFacts> facts;
  for (std::size_t s = 0; s < subjects; ++s) {
    const char* kTypes[] = {"ternary", "f16 twin", "bf16 twin"};
    facts.push_back({.name = kNames[s],
                     .model = "synth:tiny",
                     .description = std::string("tiny ") + kTypes[s],
                     .why_ternary_bits = ""});
  }
  RunFacts run;
  run.threads = 1;
  BenchReport report;
  add_trials(report, run, facts, {kDecode}, some);
  return report;
}

std::string written(OutputFormat format, const BenchReport& report) {
  std::ostringstream out;
  make_writer(format)->write(report, out);
  return out.str();
}

// Of a line of quoted values that hold no commas.
std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> all;
  std::istringstream text(line);
  for (std::string cell; std::getline(text, cell, ',');) {
    if (cell.size() >= 2 && cell.front() == '"') cell = cell.substr(1, cell.size() - 2);
    all.push_back(cell);
  }
  return all;
}

Record record_of(int pairs) {
  Record record = Record::begin("scalar");
  json& document = record.document();
  document["machine"]["hash"] = std::string(64, 'a');
  document["protocol"] = {{"order", order_text(kNames.size())}, {"threads", 1}};
  for (const std::string& name : kNames) {
    document["subjects"].push_back({{"name", name}, {"model", "synth:tiny"}});
  }
  for (const Trial& trial : trials(pairs)) record.add(trial);
  record.finish("ok", {});
  return record;
}

TEST_CASE("the first subject has a ratio to each baseline, pair by pair") {
  const BenchReport report = report_of(trials(6));
  REQUIRE(report.rows.size() == 3);
  REQUIRE(report.comparisons.size() == 2);
  CHECK(report.comparisons[0].second == "baseline");
  CHECK(report.comparisons[0].second_model == "tiny f16 twin");
  CHECK(report.comparisons[0].speed.value == Approx(4));
  CHECK(report.comparisons[1].second == "baseline:bf16");
  CHECK(report.comparisons[1].second_model == "tiny bf16 twin");
  CHECK(report.comparisons[1].speed.value == Approx(6));
  CHECK(report.comparisons[1].speed.pairs == 6);
  CHECK(report.comparisons[1].speed.has_interval);
  const BenchRow& row = report.rows[0];
  CHECK(row.ratio.value().value == Approx(4));
  REQUIRE(row.ratios.size() == 2);
  CHECK(row.ratios[1].subject == "baseline:bf16");
  CHECK(row.ratios[1].value.value().value == Approx(6));
  for (const int other : {1, 2}) {
    CHECK_FALSE(report.rows[static_cast<std::size_t>(other)].ratio.has_value());
    CHECK(report.rows[static_cast<std::size_t>(other)].ratios.empty());
  }
  CHECK(report_of(trials(6), 2).rows[0].ratios.empty());
}

TEST_CASE("an interrupted run has a ratio to whoever finished a pair") {
  std::vector<Trial> some = trials(1);  // ABC
  some.pop_back();
  const BenchReport report = report_of(some);
  REQUIRE(report.comparisons.size() == 1);
  CHECK(report.comparisons[0].second == "baseline");
  CHECK(report.rows[0].ratio.value().value == Approx(2));
  CHECK_FALSE(report.rows[0].ratios[1].value.has_value());
  CHECK(report.rows[0].ratios[1].why == "no pair was finished");

  some = trials(1);
  some.erase(some.begin() + 1);  // the first baseline is the one that is missing
  const json row = json::parse(written(OutputFormat::kJson, report_of(some)))[0]["tern"];
  CHECK(row["ratio_to_baseline"] == json{{"why", "no pair was finished"}});
  CHECK(row["ratios_to_baselines"][0]["why"] == "no pair was finished");
  CHECK(row["ratios_to_baselines"][1]["value"].get<double>() == Approx(3));
}

TEST_CASE("json has the ratio to the first baseline, and all of them where there are several") {
  const json rows = json::parse(written(OutputFormat::kJson, report_of(trials(6))));
  const json& ours = rows[0]["tern"];
  CHECK(ours["ratio_to_baseline"]["value"].get<double>() == Approx(4));
  const json& ratios = ours["ratios_to_baselines"];
  REQUIRE(ratios.size() == 2);
  CHECK(ratios[0]["subject"] == "baseline");
  CHECK(ratios[0]["value"] == ours["ratio_to_baseline"]["value"]);
  CHECK(ratios[1]["subject"] == "baseline:bf16");
  CHECK(ratios[1]["value"].get<double>() == Approx(6));
  CHECK(ratios[1]["low"].get<double>() < 6);
  CHECK(ratios[1]["high"].get<double>() > 6);
  CHECK(ratios[1]["pairs"] == 6);
  CHECK_FALSE(rows[1]["tern"].contains("ratios_to_baselines"));
  CHECK_THAT(written(OutputFormat::kJson, report_of(trials(6), 2)),
             !Contains("ratios_to_baselines"));
}

TEST_CASE("the table has a comparison per baseline, headed by its name") {
  const std::string text = written(OutputFormat::kMarkdown, report_of(trials(6)));
  const std::size_t first = text.find("against baseline (tiny f16 twin):");
  const std::size_t second = text.find("against baseline:bf16 (tiny bf16 twin):");
  REQUIRE(first != std::string::npos);
  REQUIRE(second != std::string::npos);
  REQUIRE(first < second);
  CHECK_THAT(text.substr(first, second - first),
             Contains("ternary / baseline t/s") && Contains(" 4.000 ") && !Contains(" 6.000 "));
  CHECK_THAT(text.substr(second), Contains("ternary / baseline:bf16 t/s") && Contains(" 6.000 ") &&
                                      !Contains(" 4.000 "));
  const std::string one = written(OutputFormat::kMarkdown, report_of(trials(6), 2));
  CHECK_THAT(one, Contains("ternary / baseline t/s") && !Contains("against"));
}

TEST_CASE("csv has columns and sql a table for the further ratios, where there are some") {
  const std::string csv = written(OutputFormat::kCsv, report_of(trials(6)));
  CHECK_THAT(csv, Contains("tern_ratio_why,tern_ratio baseline:bf16,"
                           "tern_ratio_low baseline:bf16,"));
  CHECK_THAT(csv.substr(0, csv.find('\n')), !Contains("tern_ratio baseline,"));
  // Each row has a cell for every column, and only the first subject's row a figure in the last.
  std::istringstream lines(csv);
  std::string line;
  std::getline(lines, line);
  const auto columns = cells(line).size();
  for (const double ratio : {6.0, 0.0, 0.0}) {
    REQUIRE(std::getline(lines, line));
    const std::vector<std::string> row = cells(line);
    REQUIRE(row.size() == columns);
    const std::string& further = row[columns - 5];
    if (ratio == 0) CHECK(further.empty());
    if (ratio > 0) CHECK(std::stod(further) == Approx(ratio));
  }

  const std::string sql = written(OutputFormat::kSql, report_of(trials(6)));
  CHECK_THAT(sql, Contains("CREATE TABLE IF NOT EXISTS tern_ratio"));
  for (const auto& [name, ratio] : {std::pair("'baseline', ", 4.0), {"'baseline:bf16', ", 6.0}}) {
    const std::size_t insert = sql.find("INSERT INTO tern_ratio");
    const std::size_t value = sql.find(name, insert);
    REQUIRE(value != std::string::npos);
    CHECK(std::stod(sql.substr(value + std::string(name).size())) == Approx(ratio));
  }
  CHECK_THAT(written(OutputFormat::kCsv, report_of(trials(6), 2)), !Contains("baseline:bf16"));
  CHECK_THAT(written(OutputFormat::kSql, report_of(trials(6), 2)), !Contains("tern_ratio ("));
}

TEST_CASE("any two subjects of one record compare as true pairs") {
  const Record record = record_of(10);
  ComparisonOptions only_speed;
  only_speed.metrics = {Metric::kSpeed};
  for (const auto& [name, ratio] : {std::pair("baseline", 4.0), std::pair("baseline:bf16", 6.0)}) {
    const Comparison comparison =
        compare(side_of(record, "ternary"), side_of(record, name), only_speed);
    REQUIRE(comparison.rows.size() == 1);
    CHECK(change_of(comparison.rows[0]).value == Approx(ratio));
    CHECK(comparison.rows[0].pairing == Pairing::kPaired);
    CHECK(comparison.rows[0].estimate.n_a == 10);
    CHECK(comparison.verdict.verdict == Verdict::kPass);  // nothing is wrong with their order
  }
  const Comparison twins =
      compare(side_of(record, "baseline"), side_of(record, "baseline:bf16"), {});
  CHECK(change_of(twins.rows[0]).value == Approx(1.5));
  CHECK_THROWS_AS(side_of(record, "baseline:q8_0"), Error);
}

TEST_CASE("the page of a run keeps one comparison as ever and lists the further ones") {
  const json test = json::parse(run_json(record_of(6))).at("tests").at(0);
  CHECK(test.at("rows").size() == 3);
  CHECK(test.at("comparison").at("second") == "baseline");
  CHECK(test.at("comparison").at("tokens_per_s").at("value").get<double>() == Approx(4));
  REQUIRE(test.at("further_comparisons").size() == 1);
  const json& further = test["further_comparisons"][0];
  CHECK(further.at("second") == "baseline:bf16");
  CHECK(further.at("tokens_per_s").at("value").get<double>() == Approx(6));
}

}  // namespace
}  // namespace tern::harness
