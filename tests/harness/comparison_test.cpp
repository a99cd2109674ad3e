#include "harness/comparison.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/error.h"
#include "harness/report/compare_report.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

constexpr const char* kFirst = "01900000-0000-7000-8000-00000000000a";
constexpr const char* kSecond = "01900000-0000-7000-8000-00000000000b";

struct Shape {
  std::string id = kFirst;
  int pairs = 10;
  bool abba = true;
  double loss = 0;  // of the first subject
  bool joules = false;
  double u_cmp = 0;  // of the joules, a share; 0: not recorded
  std::string test = "tg16";
};

json trial(const Shape& shape, const std::string& subject, int pair, int order_index) {
  // A small, fixed scatter that is not the same for both: about half a percent.
  const double scatter = 0.002 * ((pair * 7 + (subject == "ternary" ? 3 : 0)) % 5 - 2);
  const double seconds = (1 + scatter) / (subject == "ternary" ? 1 - shape.loss : 1);
  json energy = {{"status", "not_measured"}, {"why", "no meter here"}};
  if (shape.joules) {
    energy = {{"status", "measured"},
              {"source", "powercap"},
              {"coverage", "1 of 1 packages"},
              {"window_s", seconds},
              {"updates", 9},
              {"domains", {{"package-0", {{"uj", 50e6 * seconds}, {"included", true}}}}}};
    if (shape.u_cmp > 0) {
      energy["u_abs"] = 0.1 * 50 * seconds;
      energy["u_cmp"] = shape.u_cmp * 50 * seconds;
    }
  }
  return {{"subject", subject},
          {"test", shape.test},
          {"pair", pair},
          {"order_index", order_index},
          {"start_unix_ns", 1767225600000000000 + order_index},
          {"elapsed_ns", static_cast<std::int64_t>(seconds * 1e9)},
          {"tokens", 16},
          {"energy", energy},
          {"logits_hash", subject == "ternary" ? "0123456789abcdef" : "fedcba9876543210"}};
}

json document(const Shape& shape) {
  json doc = {
      {"schema", "tern.record/1"},
      {"id", shape.id},
      {"created", shape.id == kFirst ? "2026-01-02T00:00:00.000Z" : "2026-01-01T00:00:00.000Z"},
      {"tern", {{"kernels", "avx2"}, {"commit", "0a1b2c3d4e5f"}, {"optimized", true}}},
      {"machine", {{"hash", std::string(64, 'a')}, {"cpu", {{"name", "Example CPU"}}}}},
      {"environment", json::object()},
      {"protocol", {{"order", "ABBA"}, {"threads", 4}}},
      {"subjects",
       {{{"name", "ternary"}, {"model", "m.gguf"}, {"description", "tiny i2_s"}, {"bytes", 700}},
        {{"name", "baseline"}, {"model", "m.gguf"}, {"description", "tiny f16"}, {"bytes", 4800}}}},
      {"trials", json::array()},
      {"evals", json::array()},
      {"status", "ok"},
      {"reasons", json::array()}};
  int order_index = 0;
  for (int pair = 0; pair < shape.pairs; ++pair) {
    const bool forwards = !shape.abba || pair % 2 == 0;
    for (const char* name :
         {forwards ? "ternary" : "baseline", forwards ? "baseline" : "ternary"}) {
      doc["trials"].push_back(trial(shape, name, pair, order_index++));
    }
  }
  return doc;
}

Side side(const json& doc, const std::string& subject = "ternary") {
  return side_of(Record::parse(doc.dump()), subject);
}

Comparison inside(const json& doc, ComparisonOptions options = {}) {
  return compare(side(doc), side(doc, "baseline"), options);
}

ComparisonOptions only(Metric metric, bool unpaired = false) {
  return {.rule = {}, .metrics = {metric}, .allow_unpaired = unpaired};
}

TEST_CASE("the subjects of one study are true pairs") {
  const Comparison same = inside(document({}), only(Metric::kSpeed));
  REQUIRE(same.rows.size() == 1);
  CHECK(same.rows[0].pairing == Pairing::kPaired);
  CHECK(same.rows[0].estimate.n_a == 10);
  CHECK(same.verdict.verdict == Verdict::kPass);
  const Comparison slow = inside(document({.loss = 0.05}), only(Metric::kSpeed));
  CHECK(slow.verdict.verdict == Verdict::kRegression);
  CHECK(change_of(slow.rows[0]).value == Approx(0.95).epsilon(0.001));
  CHECK_THAT(slow.verdict.reason, Contains("speed tg16") && Contains("loss of"));
}

TEST_CASE("pairs whose order is not balanced are no evidence") {
  const Comparison fixed = inside(document({.abba = false, .loss = 0.05}), only(Metric::kSpeed));
  CHECK(fixed.verdict.verdict == Verdict::kInconclusive);
  CHECK_THAT(fixed.verdict.reason, Contains("A came first in 10 of 10 pairs"));

  json sequential = document({.loss = 0.05});  // all of one, then all of the other
  for (json& t : sequential["trials"]) {
    t["order_index"] = t["pair"].get<int>() + (t["subject"] == "ternary" ? 0 : 10);
  }
  CHECK_THAT(inside(sequential, only(Metric::kSpeed)).verdict.reason,
             Contains("drift of the machine is not controlled"));
}

TEST_CASE("too few pairs are inconclusive") {
  const Comparison few = inside(document({.pairs = 5, .loss = 0.3}), only(Metric::kSpeed));
  CHECK(few.verdict.verdict == Verdict::kInconclusive);
  CHECK_THAT(few.verdict.reason, Contains("too few pairs"));
}

TEST_CASE("separate runs are unpaired, and judged only when that is asked for") {
  const json now = document({.loss = 0.05}), before = document({.id = kSecond});
  const Comparison open = compare(side(now), side(before), only(Metric::kSpeed));
  CHECK(open.rows[0].pairing == Pairing::kUnpaired);
  CHECK(open.verdict.verdict == Verdict::kInconclusive);
  CHECK_THAT(open.verdict.reason, Contains("unpaired"));
  CHECK(compare(side(now), side(before), only(Metric::kSpeed, true)).verdict.verdict ==
        Verdict::kRegression);
  CHECK(compare(side(before), side(now), only(Metric::kSpeed, true)).verdict.verdict ==
        Verdict::kPass);
  const json few = document({.pairs = 3, .loss = 0.5});
  const json few_before = document({.id = kSecond, .pairs = 3});
  CHECK_THAT(compare(side(few), side(few_before), only(Metric::kSpeed, true)).verdict.reason,
             Contains("too few repetitions"));
}

void check_refused(const std::function<void(json&)>& change, const std::string& says) {
  json other = document({.id = kSecond});
  change(other);
  CHECK_THROWS_WITH(compare(side(document({})), side(other), {}), Contains(says));
}

TEST_CASE("what measures different things is refused, with the difference") {
  check_refused([](json& d) { d["machine"]["hash"] = std::string(64, 'b'); }, "different machines");
  check_refused([](json& d) { d["machine"].erase("hash"); }, "expected a machine hash");
  check_refused([](json& d) { d["subjects"][0]["bytes"] = 701; }, "size in bytes");
  check_refused([](json& d) { d["subjects"][0]["description"] = "big i2_s"; }, "the model is");
  check_refused([](json& d) { d["subjects"][0]["model"] = "n.gguf"; }, "the model is");
  check_refused(
      [](json& d) {
        for (json& t : d["trials"]) t["test"] = "tg32";
      },
      "no test in common");
  CHECK_THROWS_WITH(compare(side(document({})), side(document({})), {}), Contains("two sides"));
  json broken = document({.id = kSecond});
  broken["trials"][0]["elapsed_ns"] = 0;
  CHECK_THROWS_WITH(compare(side(document({})), side(broken), {}), Contains("positive time"));
}

TEST_CASE("a record that is unfit, failed or unfinished is never green") {
  const auto reason = [](const std::function<void(json&)>& change) {
    json doc = document({});
    change(doc);
    const Comparison comparison = inside(doc, only(Metric::kSpeed));
    CHECK(comparison.verdict.verdict == Verdict::kInconclusive);
    return comparison.verdict.reason;
  };
  CHECK_THAT(reason([](json& d) {
               d["status"] = "unfit";
               d["reasons"] = {"governor powersave"};
             }),
             Contains("unfit environment: governor powersave"));
  CHECK_THAT(reason([](json& d) { d["status"] = "failed"; }), Contains("\"failed\""));
  CHECK_THAT(reason([](json& d) { d["status"] = "running"; }), Contains("unfinished"));
  CHECK_THAT(reason([](json& d) {
               d["environment"] = {{"before", {{"throttle_counts", {{"core", 3}}}}},
                                   {"after", {{"throttle_counts", {{"core", 8}}}}}};
             }),
             Contains("throttled 5 times"));
  CHECK_THAT(reason([](json& d) {
               d["environment"] = {{"before", {{"governor", "performance"}}},
                                   {"after", {{"governor", "powersave"}}}};
             }),
             Contains("governor changed from \"performance\" to \"powersave\""));
}

TEST_CASE("a test or a task that one side lacks is never green") {
  json more = document({});
  const json other = document({.test = "pp64"});
  for (const json& t : other["trials"]) more["trials"].push_back(t);
  const json fewer = document({.id = kSecond});
  for (const bool first : {true, false}) {
    const Comparison c =
        compare(side(first ? more : fewer), side(first ? fewer : more), only(Metric::kSpeed, true));
    CHECK(c.rows.size() == 1);
    CHECK(c.verdict.verdict == Verdict::kInconclusive);
    CHECK_THAT(c.verdict.reason,
               Contains(first ? "pp64 was measured in A only" : "pp64 was measured in B only"));
  }
}

TEST_CASE("other logits of the same model mean other work") {
  json other = document({.id = kSecond});
  for (json& t : other["trials"]) t["logits_hash"] = "00000000000000ff";
  CHECK_THAT(compare(side(document({})), side(other), only(Metric::kSpeed, true)).verdict.reason,
             Contains("different logits"));
}

TEST_CASE("rows that round as their CPU does promise equal logits among themselves only") {
  const auto of = [](const char* id, const char* kernels, const char* hash) {
    json record = document({.id = id});
    record["tern"]["kernels"] = kernels;
    for (json& t : record["trials"]) t["logits_hash"] = hash;
    return side(record);
  };
  const auto reason = [](const Side& a, const Side& b) {
    return compare(a, b, only(Metric::kSpeed, true)).verdict.reason;
  };
  const Side exact = of(kFirst, "avx512vbmi", "00000000000000fe");
  const Side bf16 = of(kSecond, "avx512vbmi+bf16", "00000000000000ff");
  CHECK_THAT(reason(exact, bf16), !Contains("different logits"));
  CHECK_THAT(reason(bf16, exact), !Contains("different logits"));
  CHECK_THAT(reason(of(kFirst, "amx+bf16", "00000000000000fe"), bf16),
             Contains("different logits"));
  SideFacts here = side_facts(bf16), elsewhere = here;
  CHECK(same_arithmetic(here, elsewhere));
  elsewhere.machine_hash = std::string(64, 'b');
  CHECK_FALSE(same_arithmetic(here, elsewhere));
  here.kernels = elsewhere.kernels = "avx2";
  CHECK(same_arithmetic(here, elsewhere));
}

TEST_CASE("energy is judged where both sides were metered alike") {
  const Comparison hungry = inside(document({.loss = 0.05, .joules = true}), only(Metric::kEnergy));
  CHECK(hungry.verdict.verdict == Verdict::kRegression);
  CHECK(change_of(hungry.rows[0]).value == Approx(1 / 0.95).epsilon(0.001));  // more joules
  CHECK(change_of(hungry.rows[0]).low < change_of(hungry.rows[0]).high);

  const Comparison none = inside(document({}), only(Metric::kEnergy));
  CHECK(none.verdict.verdict == Verdict::kInconclusive);
  CHECK_THAT(none.verdict.reason, Contains("no meter here"));

  json unequal = document({.joules = true});
  unequal["trials"][1]["energy"]["coverage"] = "1 of 2 packages";
  CHECK_THAT(inside(unequal, only(Metric::kEnergy)).verdict.reason, Contains("unequal coverage"));

  json attributed = document({.joules = true});
  for (json& t : attributed["trials"]) t["energy"]["status"] = "attributed";
  CHECK_THAT(inside(attributed, only(Metric::kEnergy)).verdict.reason, Contains("attributed"));
}

TEST_CASE("a ratio of joules is no surer than the meter, the gain of its sensor left out") {
  const auto gate = [](const Shape& shape) {
    return inside(document(shape), only(Metric::kEnergy));
  };
  // A counter of AMD's: 5 % on each side do not cancel.
  const Comparison open = gate({.loss = 0.05, .joules = true, .u_cmp = 0.05});
  REQUIRE(open.rows.size() == 1);
  CHECK(open.rows[0].estimate.meter_u == Approx(std::sqrt(2.0) * 0.05));
  CHECK(open.verdict.verdict == Verdict::kInconclusive);
  CHECK_THAT(open.verdict.reason, Contains("the meter may be wrong by 7.07 %"));
  const Change judged = change_of(open.rows[0]), alone = repetitions_of(open.rows[0]);
  CHECK(judged.value == alone.value);
  CHECK(judged.low < 1);
  CHECK(alone.low > 1);
  CHECK(judged.low == Approx(judged.value / std::exp(2.3263 * 0.0707)).epsilon(0.001));
  // One whose 10 % of gain are common to both sides.
  const Comparison clear = gate({.loss = 0.05, .joules = true, .u_cmp = 0.0004});
  CHECK(clear.verdict.verdict == Verdict::kRegression);
  CHECK(clear.notes.empty());
  // What the records do not say is said to be missing, and speed has no meter.
  const Comparison unknown = inside(document({.loss = 0.05, .joules = true}));
  CHECK(unknown.rows[1].estimate.meter_u == 0);
  REQUIRE(unknown.notes.size() == 1);
  CHECK_THAT(unknown.notes[0], Contains("u_cmp"));
  CHECK(inside(document({.joules = true, .u_cmp = 0.05})).rows[0].estimate.meter_u == 0);
}

TEST_CASE("one trial without u_cmp, and meters that disagreed") {
  json doc = document({.joules = true, .u_cmp = 0.05});
  doc["trials"][3]["energy"].erase("u_cmp");
  doc["trials"][4]["energy"]["disagreement"] = "perf and powercap disagree: package-0";
  const Comparison comparison = inside(doc, only(Metric::kEnergy));
  CHECK(comparison.rows[0].estimate.meter_u == 0);
  REQUIRE(comparison.notes.size() == 2);
  CHECK_THAT(comparison.notes[0], Contains("not every trial has the uncertainty"));
  CHECK_THAT(comparison.notes[1], Contains("disagreed: perf and powercap disagree: package-0"));
}

// ---- commands

struct CommandShape {
  std::string id = kFirst;
  double wall_s = 1, cpu_s = 0.5, joules = 40;
  std::string line = "sleep 1";
  int repetitions = 5;
};

json command_document(const CommandShape& shape) {
  json doc = document({.id = shape.id, .pairs = 0});
  doc["tern"] = {{"kernels", "none"}, {"commit", "0a1b2c3d4e5f"}, {"optimized", false}};
  doc["subjects"] = json::array();
  doc["subjects"].push_back(
      {{"name", "command"}, {"engine", "command"}, {"description", shape.line}});
  for (int i = 0; i < shape.repetitions; ++i) {
    json one = trial({.joules = true, .u_cmp = 0.001, .test = shape.line}, "command", i, i);
    const double scatter = 1 + 0.002 * (i % 3 - 1);
    one["elapsed_ns"] = static_cast<std::int64_t>(shape.wall_s * scatter * 1e9);
    one["tokens"] = 0;
    one.erase("logits_hash");
    one["energy"]["domains"]["package-0"]["uj"] = shape.joules * scatter * 1e6;
    one["energy"]["u_cmp"] = 0.001 * shape.joules;
    one["command"] = {{"status", "ok"},
                      {"exit_code", 0},
                      {"user_ns", static_cast<std::int64_t>(shape.cpu_s * scatter * 1e9) - 1000},
                      {"system_ns", 1000}};
    doc["trials"].push_back(one);
  }
  return doc;
}

Comparison commands(const json& a, const json& b, const ComparisonOptions& options = {}) {
  return compare(side(a, "command"), side(b, "command"), options);
}

TEST_CASE("two commands: wall time, CPU time and joules, over their repetitions") {
  const json quick = command_document({.wall_s = 0.8, .cpu_s = 0.6, .joules = 30, .line = "a.out"});
  const json slow = command_document({.id = kSecond});
  const Comparison c = commands(quick, slow);
  REQUIRE(c.rows.size() == 3);
  CHECK(c.rows[0].metric == Metric::kWallTime);
  CHECK(change_of(c.rows[0]).value == Approx(0.8));
  CHECK(c.rows[1].metric == Metric::kCpuTime);
  CHECK(change_of(c.rows[1]).value == Approx(1.2));
  CHECK(c.rows[2].metric == Metric::kJoules);
  CHECK(change_of(c.rows[2]).value == Approx(0.75));
  CHECK(c.rows[2].estimate.meter_u == Approx(std::sqrt(2.0) * 0.001).epsilon(0.001));
  for (const ComparisonRow& row : c.rows) {
    CHECK(row.pairing == Pairing::kUnpaired);
    CHECK(row.estimate.n_a == 5);
    CHECK(row.test == "the command");
    const Change change = change_of(row);
    CHECK(change.low < change.value);
    CHECK(change.high > change.value);
    CHECK(row.judgement.verdict == Verdict::kInconclusive);
    CHECK_THAT(row.judgement.reason, Contains("unpaired"));
  }
  CHECK(c.rows[0].a == Approx(0.8).epsilon(0.001));
  CHECK(c.missing.empty());
  const std::string text = comparison_text(c, OutputFormat::kMarkdown, false);
  CHECK_THAT(text, Contains("- A: a.out; record ") && Contains("- B: sleep 1; record ") &&
                       Contains("| wall time, s ") && Contains("| energy, J ") &&
                       !Contains("debug build") && !Contains("kernels"));
  const json object = json::parse(comparison_text(c, OutputFormat::kJson, false));
  CHECK(object["rows"][2]["metric"] == "energy");
  CHECK(object["rows"][2]["unit"] == "J");
  CHECK(object["rows"][2]["ratio"]["u_cmp"].get<double>() > 0);
}

TEST_CASE("commands that took longer are worse, where separate runs may be judged") {
  const json same = command_document({}), slower = command_document({.id = kSecond, .wall_s = 1.1});
  CHECK(commands(slower, same, only(Metric::kSpeed, true)).verdict.verdict == Verdict::kRegression);
  CHECK(commands(same, slower, only(Metric::kSpeed, true)).verdict.verdict == Verdict::kPass);
  CHECK(commands(same, slower, only(Metric::kSpeed, true)).rows.size() == 1);
  CHECK(commands(same, slower).rows[0].test == "sleep 1");
}

TEST_CASE("a repetition that failed is no sample, and a command is no model") {
  json failed = command_document({.id = kSecond});
  failed["trials"][0]["elapsed_ns"] = 99'000'000'000;
  failed["trials"][0]["command"]["why"] = "it exited with 1";
  const Comparison c = commands(failed, command_document({}));
  CHECK(c.rows[0].estimate.n_a == 4);
  CHECK(change_of(c.rows[0]).value == Approx(1).epsilon(0.01));
  for (json& t : failed["trials"]) t["command"]["why"] = "it exited with 1";
  const Comparison none = commands(failed, command_document({}));
  CHECK(none.rows.empty());
  CHECK(none.missing.size() == 3);
  CHECK_THAT(none.missing[0].why, Contains("no repetition that succeeded"));
  CHECK_THROWS_WITH(
      compare(side(command_document({}), "command"), side(document({.id = kSecond})), {}),
      Contains("A is a command") && Contains("is a model"));
}

TEST_CASE("joules of commands are refused where the meters were not alike, times are not") {
  json other = command_document({.id = kSecond});
  for (json& t : other["trials"]) t["energy"]["coverage"] = "1 of 2 packages";
  const Comparison unequal = commands(command_document({}), other);
  CHECK(unequal.rows.size() == 2);
  REQUIRE(unequal.missing.size() == 1);
  CHECK_THAT(unequal.missing[0].why, Contains("unequal coverage"));
  for (json& t : other["trials"]) t["energy"] = {{"status", "not_measured"}, {"why", "no meter"}};
  other["reasons"] = {"energy: the window was short"};
  const Comparison unmetered = commands(command_document({}), other);
  CHECK_THAT(unmetered.missing[0].why, Contains("no meter"));
  CHECK_THAT(unmetered.notes[0], Contains("B: energy: the window was short"));
  // What took no time that a clock could see has no ratio.
  for (json& t : other["trials"]) t["command"]["user_ns"] = t["command"]["system_ns"] = 0;
  CHECK_THAT(commands(command_document({}), other).missing[0].why, Contains("less than the clock"));
}

// right(document) for each of `items` questions
json evaluation(int items, const std::function<bool(int)>& right) {
  json eval = {
      {"task", "piqa"}, {"subject", "ternary"}, {"num_fewshot", 0}, {"items", json::array()}};
  for (int i = 0; i < items; ++i) {
    // json::array, since compilers disagree on what braces around a single value mean.
    const json result = {{"filter", "none"}, {"metrics", {{"acc", right(i) ? 1.0 : 0.0}}}};
    eval["items"].push_back({{"doc_id", i}, {"results", json::array({result})}});
  }
  return eval;
}

TEST_CASE("accuracy is compared question by question, on any machine") {
  json now = document({}), before = document({.id = kSecond});
  before["machine"]["hash"] = std::string(64, 'b');
  now["evals"] = json::array({evaluation(1000, [](int i) { return i % 10 < 6; })});
  before["evals"] = json::array({evaluation(1000, [](int i) { return i % 10 < 7; })});
  const Comparison worse = compare(side(now), side(before), only(Metric::kAccuracy));
  REQUIRE(worse.rows.size() == 1);
  CHECK(worse.rows[0].test == "piqa acc (none)");
  CHECK(worse.rows[0].a == Approx(0.6));
  CHECK(worse.rows[0].b == Approx(0.7));
  CHECK(change_of(worse.rows[0]).value == Approx(-0.1));
  CHECK(worse.verdict.verdict == Verdict::kRegression);
  CHECK(compare(side(before), side(now), only(Metric::kAccuracy)).verdict.verdict ==
        Verdict::kPass);
  CHECK_THAT(inside(document({}), only(Metric::kAccuracy)).verdict.reason,
             Contains("no evaluated items"));

  json both = now;
  both["id"] = kSecond;
  both["evals"].push_back(evaluation(1000, [](int) { return true; }));
  both["evals"][1]["task"] = "gsm8k";
  for (const bool first : {true, false}) {
    const Comparison c =
        compare(side(first ? both : now), side(first ? now : both), only(Metric::kAccuracy));
    CHECK(c.verdict.verdict == Verdict::kInconclusive);
    CHECK_THAT(c.verdict.reason,
               Contains(first ? "gsm8k was answered in A only" : "gsm8k was answered in B only"));
  }

  before["evals"][0]["num_fewshot"] = 5;
  CHECK_THAT(compare(side(now), side(before), only(Metric::kAccuracy)).verdict.reason,
             Contains("asked differently"));
  before["evals"][0]["items"][0]["results"][0]["metrics"]["acc"] = "yes";
  CHECK_THROWS_WITH(compare(side(now), side(before), only(Metric::kAccuracy)),
                    Contains("cannot be read"));
}

TEST_CASE("a comparison of everything says what it lacks and is not held against it") {
  const Comparison all = inside(document({}));
  CHECK(all.rows.size() == 1);
  CHECK(all.missing.size() == 2);
  CHECK(all.verdict.verdict == Verdict::kPass);
}

// ---- reports
// -------------------------------------------------------------------------------------

void check_golden(const std::string& name, const std::string& actual) {
  const std::string path = std::string(TERN_SOURCE_DIR) + "/tests/golden/" + name;
  if (std::getenv("TERN_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
    return;
  }
  std::ifstream file(path, std::ios::binary);
  std::stringstream expected;
  expected << file.rdbuf();
  CHECK(actual == expected.str());
}

TEST_CASE("the reports of a comparison are as they were agreed") {
  const Comparison comparison = inside(document({.loss = 0.05, .joules = true}));
  check_golden("compare.md", comparison_text(comparison, OutputFormat::kMarkdown, false));
  check_golden("gate.md", comparison_text(comparison, OutputFormat::kMarkdown, true));
  check_golden("gate.junit.xml", comparison_junit(comparison));
  const json object = json::parse(comparison_text(comparison, OutputFormat::kJson, true));
  CHECK(object["schema"] == "tern.comparison/1");
  CHECK(object["verdict"] == "regression");
  CHECK(object["rows"].size() == 2);
  CHECK(object["rows"][0]["ratio"]["level"] == 0.98);
  CHECK(object["missing"][0]["metric"] == "accuracy");
  std::istringstream lines(comparison_text(comparison, OutputFormat::kJsonl, true));
  std::size_t i = 0;
  for (std::string line; std::getline(lines, line); ++i) {
    CHECK(json::parse(line) == object["rows"].at(i));
  }
  CHECK(i == 2);
  CHECK_THAT(comparison_text(comparison, OutputFormat::kCsv, true),
             Contains("speed,t/s,tg16,paired,"));
  CHECK_THROWS_AS(comparison_text(comparison, OutputFormat::kSql, true), Error);
}

TEST_CASE("what was not computed is null, and XML stays well-formed") {
  const Comparison few = inside(document({.pairs = 1, .test = "a<b>&\"c\""}), only(Metric::kSpeed));
  const json object = json::parse(comparison_text(few, OutputFormat::kJson, true));
  CHECK(object["rows"][0]["ratio"]["low"].is_null());
  CHECK(object["rows"][0]["minimum_detectable_effect"].is_null());
  const std::string xml = comparison_junit(few);
  CHECK_THAT(xml, Contains("a&lt;b&gt;&amp;&quot;c&quot;") && Contains("skipped=\"1\""));
  const std::string nothing = comparison_junit(inconclusive({}, "no history: none"));
  CHECK_THAT(nothing, Contains("<skipped message=\"inconclusive: no history: none\"/>"));
}

}  // namespace
}  // namespace tern::harness
