#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "harness/progress.h"
#include "harness/report/bench_report.h"
#include "harness/report/fields.h"
#include "harness/report/writer.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

Trial make_trial(const std::string& subject, const TestCase& test, int pair,
                 std::int64_t elapsed_ns) {
  Trial trial;
  trial.subject = subject;
  trial.test = test.name();
  trial.pair = pair;
  trial.start_unix_ns = 1'767'225'600'000'000'000 + pair;  // 2026-01-01T00:00:00Z
  trial.elapsed_ns = elapsed_ns;
  trial.tokens = test.tokens();
  trial.bytes_moved = trial.tokens * (subject == "ternary" ? 1'000'000 : 6'000'000);
  // Ternary: int8 layers and a small FP32 head; the baseline: FP32.
  trial.operations = subject == "ternary"
                         ? engine::Operations{trial.tokens * 4'000'000, trial.tokens * 100'000}
                         : engine::Operations{0, trial.tokens * 4'100'000};
  trial.cpu_ns = 4 * elapsed_ns;
  trial.energy.why = "no powercap zone under /sys/class/powercap";
  trial.logits_hash = subject == "ternary" ? "0123456789abcdef" : "fedcba9876543210";
  return trial;
}

void meter(Trial& trial, double watts) {
  trial.energy = {};
  trial.energy.status = energy::Status::kMeasured;
  trial.energy.source = "powercap";
  trial.energy.coverage = "1 of 1 packages + dram";
  trial.energy.window_s = static_cast<double>(trial.elapsed_ns) * 1e-9;
  trial.energy.total_joules = watts * trial.energy.window_s;
}

RunFacts run_facts() {
  RunFacts run;
  run.build_commit = "0a1b2c3d4e5f";
  run.cpu = "A \"quoted\" CPU's name";
  run.kernels = "avx2";
  run.record_id = "01900000-0000-7000-8000-000000000001";
  run.threads = 4;
  run.batch = 2048;
  run.ubatch = 512;
  run.poll = 50;
  run.type_k = run.type_v = "f16";
  run.limits = {.threads = 4,
                .read_bytes_per_s = 20e9,
                .int8_ops_per_s = 8e9,
                .fp32_ops_per_s = 2e9,
                .why = ""};
  run.limits_by_threads = {{.threads = 1,
                            .read_bytes_per_s = 0,
                            .int8_ops_per_s = 2e9,
                            .fp32_ops_per_s = 0.5e9,
                            .why = "could not map 256 MiB to measure the read bandwidth"},
                           run.limits};
  return run;
}

const std::vector<SubjectFacts> kBoth = {
    {"ternary", "synth:tiny", "tiny i2_s", 700'000'000, 2'410'000'000, false, 1.6, "as set"},
    {"baseline", "synth:tiny", "tiny f16 twin", 4'800'000'000, 2'410'000'000, false, 0, ""}};
const TestCase kDecode{.gen = 10};
const TestCase kPrompt{.prompt = 100, .depth = 64};

// Ternary decodes in 1.0, 1.1 and 1.0 s, the baseline in exactly three times as long.
std::vector<Trial> decode_trials() {
  std::vector<Trial> trials;
  for (int pair = 0; pair < 3; ++pair) {
    const std::int64_t ns = pair == 1 ? 1'100'000'000 : 1'000'000'000;
    trials.push_back(make_trial("ternary", kDecode, pair, ns));
    trials.push_back(make_trial("baseline", kDecode, pair, 3 * ns));
  }
  return trials;
}

// Of an extra pass: ternary spends 80 of 100 ms per token in its matrices, the baseline 290 of 300.
std::vector<PhaseSample> decode_phases() {
  const std::int64_t ms = 1'000'000;
  return {{"ternary", "tg10", 1000 * ms, 10, {{"embed", 2 * ms}, {"qkv", 800 * ms}, {"wait", 0}}},
          {"baseline", "tg10", 3000 * ms, 10, {{"qkv", 2900 * ms}, {"wait", 40 * ms}}}};
}

// Decode is metered (50 W against 60 W); the prompt is not.
BenchReport example() {
  std::vector<Trial> trials = decode_trials();
  for (Trial& trial : trials) meter(trial, trial.subject == "ternary" ? 50 : 60);
  for (int pair = 0; pair < 2; ++pair) {
    trials.push_back(make_trial("ternary", kPrompt, pair, 500'000'000));
    trials.push_back(make_trial("baseline", kPrompt, pair, 500'000'000 * (pair + 1)));
  }
  BenchReport report;
  report.notes.push_back("this is a Debug build: its speeds mean nothing");
  add_trials(report, run_facts(), kBoth, {kPrompt, kDecode}, trials);
  add_phases(report, run_facts().record_id, decode_phases());
  return report;
}

std::string written(OutputFormat format, const BenchReport& report) {
  std::ostringstream out;
  make_writer(format)->write(report, out);
  return out.str();
}

// Nine digits of each number: ratios go through exp and log, whose last digit differs between
// systems.
std::string rounded(const std::string& text) {
  static const std::regex kDecimal(R"([0-9]+\.[0-9]+)");
  std::string out;
  auto at = text.begin();
  for (std::sregex_iterator it(text.begin(), text.end(), kDecimal), end; it != end; ++it) {
    out.append(at, text.begin() + it->position());
    std::ostringstream number;
    number << std::setprecision(9) << std::stod(it->str());
    out += number.str();
    at = text.begin() + it->position() + it->length();
  }
  return out.append(at, text.end());
}

// TERN_UPDATE_GOLDEN=1 writes the file instead, for a change that is meant.
void check_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(TERN_SOURCE_DIR) + "/tests/golden/" + name;
  if (std::getenv("TERN_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
  }
  std::ifstream file(path, std::ios::binary);
  const std::string expected{std::istreambuf_iterator<char>(file),
                             std::istreambuf_iterator<char>()};
  INFO(path);
  REQUIRE_FALSE(expected.empty());
  CHECK(text == expected);
}

TEST_CASE("rows are derived from raw trials") {
  const BenchReport report = example();
  REQUIRE(report.rows.size() == 4);
  const BenchRow& row = report.rows[2];
  CHECK(row.subject.name == "ternary");
  CHECK(row.test.name() == "tg10");
  CHECK(row.samples_ns == std::vector<std::int64_t>{1'000'000'000, 1'100'000'000, 1'000'000'000});
  CHECK(row.ts.mean == Approx((10 + 10 / 1.1 + 10) / 3));
  CHECK(row.bytes_per_token == Approx(1e6));
  CHECK(row.bytes_per_s == Approx(30e6 / 3.1));
  CHECK(row.roofline_share.value() == Approx(30e6 / 3.1 / 20e9));
  CHECK(row.energy.j_per_token == Approx(50 * 3.1 / 30));
  CHECK(row.energy.tokens_per_j == Approx(30 / (50 * 3.1)));
  CHECK(row.energy.watts == Approx(50));
  CHECK(row.ratio.value().value == Approx(3));
  CHECK_FALSE(report.rows[3].ratio.has_value());  // the baseline is not compared with itself
  CHECK(report.rows[3].why_no_ratio.empty());
}

TEST_CASE("the comparison is paired, and its energy obeys the identity") {
  const BenchReport report = example();
  REQUIRE(report.comparisons.size() == 2);
  const BenchComparison& decode = report.comparisons[1];
  CHECK(decode.speed.value == Approx(3));
  CHECK(decode.speed.low == Approx(3));  // every pair agrees, though the repetitions do not
  CHECK(decode.speed.pairs == 3);
  CHECK(decode.energy.ratio.value().joules.value == Approx(50.0 / 60 / 3));
  CHECK(decode.energy.ratio->power.value == Approx(50.0 / 60));
  CHECK(decode.energy.ratio->saving() == Approx(1 - 50.0 / 60 / 3));
  const BenchComparison& prompt = report.comparisons[0];
  CHECK(prompt.speed.value == Approx(std::sqrt(2.0)));
  CHECK_FALSE(prompt.energy.ratio.has_value());
  CHECK(prompt.energy.why == "no powercap zone under /sys/class/powercap");
}

TEST_CASE("a pair with one unmeasured side gives no joules, and says why") {
  std::vector<Trial> trials = decode_trials();
  for (std::size_t i = 0; i < trials.size(); ++i) {
    if (i != 3) meter(trials[i], 50);
  }
  BenchReport report;
  add_trials(report, run_facts(), kBoth, {kDecode}, trials);
  CHECK(report.comparisons[0].energy.ratio.value().joules.pairs == 2);
  CHECK(report.rows[0].energy.trials == 3);
  CHECK(report.rows[1].energy.trials == 2);
  CHECK(report.rows[1].energy.why == "no powercap zone under /sys/class/powercap");
}

TEST_CASE("attributed energy and a counter that stood still are not measurements") {
  std::vector<Trial> trials = decode_trials();
  for (Trial& trial : trials) {
    meter(trial, 50);
    trial.energy.status = energy::Status::kAttributed;
  }
  BenchReport report;
  add_trials(report, run_facts(), kBoth, {kDecode}, trials);
  CHECK_FALSE(report.comparisons[0].energy.ratio.has_value());
  CHECK_THAT(report.comparisons[0].energy.why, Contains("attributed"));
  CHECK_THAT(written(OutputFormat::kMarkdown, report),
             Contains("n/m") && Contains("only attributes a share"));

  for (Trial& trial : trials) meter(trial, 0);
  BenchReport still;
  add_trials(still, run_facts(), kBoth, {kDecode}, trials);
  CHECK(still.rows[0].energy.status == energy::Status::kNotMeasured);
  CHECK_THAT(still.rows[0].energy.why, Contains("counted no joules"));
}

TEST_CASE("without a baseline the ratio is a reason") {
  RunFacts run = run_facts();
  run.no_ratio = "the FP16 twin needs 5000 MiB and this machine has 100 MiB to spare";
  BenchReport report;
  add_trials(report, run, {kBoth[0]}, {kDecode}, decode_trials());
  CHECK(report.comparisons.empty());
  CHECK_THAT(written(OutputFormat::kMarkdown, report),
             Contains("ratio: not measured: the FP16 twin needs"));
  const json rows = json::parse(written(OutputFormat::kJson, report));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0]["tern"]["ratio_to_baseline"] == json{{"why", run.no_ratio}});
}

TEST_CASE("a faster way for the baseline's prompts is named beside their ratio, and only there") {
  const std::string named = "--baseline f16,bf16 --kernels best+bf16";
  RunFacts run = run_facts();
  run.bf16_kernels = "best+bf16";
  std::vector<Trial> prompts;
  for (int pair = 0; pair < 2; ++pair) {
    prompts.push_back(make_trial("ternary", kPrompt, pair, 500'000'000));
    prompts.push_back(make_trial("baseline", kPrompt, pair, 900'000'000));
  }
  const auto table = [&](const RunFacts& facts, const std::vector<SubjectFacts>& subjects,
                         const TestCase& test, const std::vector<Trial>& trials) {
    BenchReport report;
    add_trials(report, facts, subjects, {test}, trials);
    return written(OutputFormat::kMarkdown, report);
  };
  CHECK_THAT(table(run, kBoth, kPrompt, prompts), Contains(named));
  CHECK_THAT(table(run_facts(), kBoth, kPrompt, prompts), !Contains("bf16"));
  CHECK_THAT(table(run, kBoth, kDecode, decode_trials()), !Contains(named));
  CHECK_THAT(table(run, {kBoth[0]}, kPrompt, prompts), !Contains(named));
}

TEST_CASE("one pair gives a ratio without an interval") {
  std::vector<Trial> trials = decode_trials();
  trials.resize(2);
  BenchReport report;
  add_trials(report, run_facts(), kBoth, {kDecode}, trials);
  const json ratio =
      json::parse(written(OutputFormat::kJson, report))[0]["tern"]["ratio_to_baseline"];
  CHECK(ratio["pairs"] == 1);
  CHECK_FALSE(ratio.contains("low"));
  CHECK(ratio.contains("why"));
}

TEST_CASE("json has llama-bench's fields, in its order and types") {
  const auto rows = nlohmann::ordered_json::parse(written(OutputFormat::kJson, example()));
  REQUIRE(rows.size() == 4);
  const std::string expected =
      "build_commit build_number cpu_info gpu_info backends model_filename model_type model_size "
      "model_n_params "
      "n_batch n_ubatch n_threads cpu_mask cpu_strict poll type_k type_v n_gpu_layers n_cpu_moe "
      "split_mode main_gpu "
      "no_kv_offload flash_attn devices tensor_split tensor_buft_overrides load_mode embeddings "
      "no_op_offload no_host "
      "fit_target fit_min_ctx n_prompt n_gen n_depth test_time avg_ns stddev_ns avg_ts stddev_ts "
      "samples_ns samples_ts "
      "tern ";
  std::string names;
  for (const auto& [name, value] : rows[2].items()) names += name + " ";
  CHECK(names == expected);
  CHECK(rows[2]["n_gen"].is_number_integer());
  CHECK(rows[2]["avg_ns"].is_number_integer());
  CHECK(rows[2]["avg_ts"].is_number_float());
  CHECK(rows[2]["cpu_strict"].is_boolean());
  CHECK(rows[2]["test_time"] == "2026-01-01T00:00:00Z");
  CHECK(rows[2]["tern"]["schema"] == "tern.record/1");
  CHECK(rows[2]["tern"]["energy"]["status"] == "measured");
  CHECK(rows[0]["tern"]["energy"] ==
        nlohmann::ordered_json{{"status", "not_measured"},
                               {"why", "no powercap zone under /sys/class/powercap"}});
  CHECK_FALSE(rows[3]["tern"].contains("ratio_to_baseline"));
}

TEST_CASE("jsonl is json, row by row") {
  const json rows = json::parse(written(OutputFormat::kJson, example()));
  std::istringstream lines(written(OutputFormat::kJsonl, example()));
  std::size_t i = 0;
  for (std::string line; std::getline(lines, line); ++i) CHECK(json::parse(line) == rows.at(i));
  CHECK(i == rows.size());
}

TEST_CASE("the table shows only the parameters that differ from the defaults") {
  CHECK_THAT(written(OutputFormat::kMarkdown, example()), !Contains("n_ubatch"));
  RunFacts run = run_facts();
  run.ubatch = 64;
  BenchReport report;
  add_trials(report, run, kBoth, {kDecode}, decode_trials());
  CHECK_THAT(written(OutputFormat::kMarkdown, report),
             Contains("n_ubatch") && !Contains("n_batch"));
}

TEST_CASE("several models are told apart in the comparison, and caches are named") {
  std::vector<SubjectFacts> other = kBoth;
  other[0].description = "other i2_s";
  RunFacts run = run_facts();
  BenchReport report;
  add_trials(report, run, kBoth, {kDecode}, decode_trials());
  CHECK_THAT(written(OutputFormat::kMarkdown, report), !Contains("from the caches"));
  run.limits.read_bytes_per_s = 1e6;
  add_trials(report, run, other, {kDecode}, decode_trials());
  const std::string text = written(OutputFormat::kMarkdown, report);
  CHECK_THAT(text, Contains("caches held a part"));
  const std::string comparison = text.substr(text.find("\n\n"));
  CHECK_THAT(comparison, Contains("| tiny i2_s") && Contains("| other i2_s"));
}

TEST_CASE("phases are shares of their pass, and what none accounts for is the rest") {
  const json rows = json::parse(written(OutputFormat::kJson, example()));
  CHECK_FALSE(rows[0]["tern"].contains("phases"));
  const json& phases = rows[2]["tern"]["phases"];
  CHECK(phases["qkv"]["ms_per_token"].get<double>() == Approx(80));
  CHECK(phases["qkv"]["share"].get<double>() == Approx(0.8));
  CHECK(phases["rest"]["ms_per_token"].get<double>() == Approx(19.8));
  BenchReport other;
  add_trials(other, run_facts(), kBoth, {kDecode}, decode_trials());
  add_phases(other, "another record", decode_phases());
  CHECK_FALSE(other.rows[0].phases.has_value());
}

TEST_CASE("a row knows its place below the limits, or why not") {
  const BenchReport report = example();
  const Roofline& prompt = report.rows[0].roofline;  // 200 tokens in a second
  CHECK(prompt.ops_per_byte == Approx(4.1));
  CHECK(prompt.compute_share == Approx(200 * (4e6 / 8e9 + 1e5 / 2e9)));
  CHECK(prompt.memory_share == Approx(200 * 1e6 / 20e9));
  CHECK_FALSE(prompt.memory_bound);
  CHECK(prompt.ceiling_ts == Approx(1 / (4e6 / 8e9 + 1e5 / 2e9)));
  RunFacts run = run_facts();
  std::vector<Trial> bf16 = decode_trials();
  for (Trial& t : bf16) t.operations = {.int8 = 0, .fp32 = 100'000, .bf16 = 8'000'000};
  BenchReport unknown;
  add_trials(unknown, run, kBoth, {kDecode}, bf16);
  CHECK_THAT(unknown.rows[0].roofline.why, Contains("peaks of the arithmetic were not measured"));
  run.limits.bf16_ops_per_s = 4e9;
  run.limits_by_threads = {run.limits};
  BenchReport known;
  add_trials(known, run, kBoth, {kDecode}, bf16);
  const Roofline& place = known.rows[0].roofline;
  CHECK(place.why.empty());
  CHECK(place.ops_per_byte == Approx(0.81));
  CHECK(place.ceiling_ts == Approx(10 / (8e6 / 4e9 + 1e5 / 2e9)));
  CHECK(place.compute_share == Approx(3 * (8e6 / 4e9 + 1e5 / 2e9) / 3.1));
  CHECK_THAT(written(OutputFormat::kMarkdown, known),
             Contains("FP32 2.0 Gflop/s, BF16 4.0 Gflop/s") && Contains("BF16 dot, Gflop/s"));
  CHECK(json::parse(written(OutputFormat::kJson,
                            known))[0]["tern"]["roofline"]["limits"][0]["bf16_gflops_per_s"] == 4);
  run = run_facts();
  run.limits.read_bytes_per_s = 1e9;
  BenchReport slow_memory;
  add_trials(slow_memory, run, kBoth, {kDecode}, decode_trials());
  CHECK(slow_memory.rows[0].roofline.memory_bound);
  CHECK(slow_memory.rows[0].roofline.ceiling_ts == Approx(1000));
  run.limits = {.threads = 4, .why = "out of memory"};
  run.limits_by_threads.clear();
  BenchReport blind;
  add_trials(blind, run, kBoth, {kDecode}, decode_trials());
  CHECK_THAT(blind.rows[0].roofline.why, Contains("not measured: out of memory"));
  const json row = json::parse(written(OutputFormat::kJson, blind))[0]["tern"];
  CHECK(row["roofline"] == json{{"why", blind.rows[0].roofline.why}});
  CHECK_FALSE(row.contains("compute_share"));
  CHECK_THAT(written(OutputFormat::kMarkdown, blind), !Contains("ceiling"));
}

TEST_CASE("several thread counts make a sweep, best first by what was measured") {
  CHECK_THAT(written(OutputFormat::kMarkdown, example()), !Contains("efficiency"));
  BenchReport report;
  RunFacts run = run_facts();
  std::vector<Trial> trials = decode_trials();
  for (const int threads : {4, 1}) {
    run.threads = threads;
    run.record_id += "x";
    if (threads == 1) {
      for (Trial& trial : trials) trial.elapsed_ns *= 2;
    }
    add_trials(report, run, {kBoth[0]}, {kDecode}, trials);
  }
  const std::string text = written(OutputFormat::kMarkdown, report);
  CHECK_THAT(text,
             Contains("efficiency") && Contains("50.0") && Contains("413.333") &&
                 Contains("best of tg10, ternary: 4 threads by t/s; by J/token: not measured"));
  // Four threads are twice as fast, and at three times the power they cost more joules.
  BenchReport metered;
  for (const int threads : {1, 4}) {
    run.threads = threads;
    std::vector<Trial> some = decode_trials();
    for (Trial& trial : some) {
      if (threads == 1) trial.elapsed_ns *= 2;
      meter(trial, threads == 1 ? 20 : 60);
    }
    add_trials(metered, run, {kBoth[0]}, {kDecode}, some);
  }
  CHECK_THAT(written(OutputFormat::kMarkdown, metered), Contains("4 threads by t/s, 1 by J/token"));
}

TEST_CASE("every format is as it was agreed") {
  const BenchReport report = example();
  check_golden("bench.md", written(OutputFormat::kMarkdown, report));
  check_golden("bench.csv", rounded(written(OutputFormat::kCsv, report)));
  check_golden("bench.json", rounded(written(OutputFormat::kJson, report)));
  check_golden("bench.sql", rounded(written(OutputFormat::kSql, report)));
}

TEST_CASE("an empty report is well-formed") {
  CHECK(written(OutputFormat::kJson, {}) == "[]\n");
  for (const OutputFormat format :
       {OutputFormat::kMarkdown, OutputFormat::kCsv, OutputFormat::kJsonl, OutputFormat::kSql}) {
    CHECK(written(format, {}).empty());
  }
}

TEST_CASE("progress is a bar on a terminal and plain lines elsewhere") {
  const StudyStep first{
      .subject = "ternary", .test = "tg8", .pair = 0, .pairs = 2, .done = 0, .total = 4};
  const StudyStep third{
      .subject = "baseline", .test = "tg8", .pair = 1, .pairs = 2, .done = 2, .total = 4};
  std::ostringstream bar;
  {
    Progress progress(bar, true, false);
    progress.step(first, 0);
    progress.step(third, 60'000'000'000);
  }
  CHECK_THAT(bar.str(),
             Contains("\r[############............] 2/4 ETA 1:00 tg8 baseline, pair 2/2"));
  CHECK(bar.str().back() == '\r');  // nothing is left on the screen

  std::ostringstream plain, all;
  Progress quiet(plain, false, false), chatty(all, false, true);
  for (const StudyStep& step : {first, third}) {
    quiet.step(step, 0);
    chatty.step(step, 0);
  }
  CHECK(plain.str() == "tern bench: 1/4 tg8, ETA -:--\n");
  CHECK_THAT(all.str(),
             Contains("tern bench: 3/4 tg8 baseline, pair 2/2, ETA 0:00\n") && !Contains("\r"));
  CHECK(duration_text(59) == "0:59");
  CHECK(duration_text(3661) == "1:01:01");
}

}  // namespace
}  // namespace tern::harness
