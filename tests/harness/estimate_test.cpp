#include "harness/estimate.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "engine/thread_pool.h"
#include "harness/comparison.h"
#include "harness/options.h"
#include "harness/record.h"
#include "harness/recorded_report.h"
#include "harness/report/compare_report.h"
#include "harness/report/estimate_table.h"
#include "harness/report/writer.h"
#include "harness/side.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct Published {
  const char* model;
  ArithmeticShape shape;
  double joules;
};

constexpr double k16Bit_pj = kFp16Add_pj + kFp16Mul_pj;

// arXiv:2504.12285, table 1: estimated energy of 512 tokens; shapes from the models'
// configurations.
const Published kTable1[] = {
    {"LLaMA 3.2 1B", {16, 2048, 2048, 512, 8192, k16Bit_pj}, 0.258},
    {"Gemma-3 1B", {26, 1152, 1024, 256, 6912, k16Bit_pj}, 0.186},
    {"Qwen2.5 1.5B", {28, 1536, 1536, 256, 8960, k16Bit_pj}, 0.347},
    {"SmolLM2 1.7B", {24, 2048, 2048, 2048, 8192, k16Bit_pj}, 0.425},
    {"MiniCPM 2B", {40, 2304, 2304, 2304, 5760, k16Bit_pj}, 0.649},
    {"BitNet b1.58 2B", {30, 2560, 2560, 640, 6912, kInt8Add_pj}, 0.028},
};

TEST_CASE("the arithmetic model gives all six published values to three digits") {
  constexpr std::int64_t kTokens = 512;
  for (const Published& row : kTable1) {
    CAPTURE(row.model);
    const double joules = arithmetic_energy(row.shape, kTokens, kTokens * kTokens).joules();
    CHECK(std::round(joules * 1000) / 1000 == Approx(row.joules).epsilon(1e-12));
  }
  const ArithmeticEnergy bitnet = arithmetic_energy(kTable1[5].shape, 512, 512 * 512);
  CHECK(bitnet.linear_j == Approx(0.0075).epsilon(0.01));
  CHECK(bitnet.attention_j == Approx(0.0201).epsilon(0.01));
}

TEST_CASE("a prompt is charged as in the papers, and a step what it reads") {
  CHECK(attended_positions({.prompt = 512}) == 512 * 512);
  CHECK(attended_positions({.prompt = 10, .depth = 5}) == 10 * 15);
  CHECK(attended_positions({.gen = 3, .depth = 4}) == 5 + 6 + 7);
  CHECK(attended_positions({.prompt = 2, .gen = 2}) == 2 * 2 + 3 + 4);
  CHECK(attended_positions({.gen = 3, .depth = 4, .sequences = 5}) == 5 * (5 + 6 + 7));
}

TEST_CASE("a model is charged by its weights, and none where the papers have no constant") {
  engine::ThreadPool pool({.threads = 1, .pin = false});
  const auto ternary = engine::Model::load("synth:tiny", kernels_row("scalar"), pool);
  const auto half = engine::Model::half_twin(*ternary, pool);
  const auto blocks = engine::Model::twin(*ternary, engine::TwinType::kQ8_0, pool);
  const TestCase test{.prompt = 8};
  const Estimate a = estimate_test(*ternary, "ternary", test, 1'000'000);
  const Estimate b = estimate_test(*half, "baseline", test, 8'000'000);
  const Estimate c = estimate_test(*blocks, "baseline", test, 0);
  CHECK(a.why_no_arithmetic.empty());
  CHECK(a.subject == "ternary");
  CHECK(a.test == "pp8");
  CHECK(a.tokens == 8);
  CHECK(a.bytes_j == Approx(160e-6));
  CHECK(b.bytes_j == Approx(8 * 160e-6));
  CHECK(b.arithmetic.linear_j / a.arithmetic.linear_j == Approx(0.5 / 0.007));
  CHECK(c.arithmetic.linear_j / a.arithmetic.linear_j == Approx(0.077 / 0.007));
  CHECK(b.arithmetic.attention_j == a.arithmetic.attention_j);
}

Estimate estimate_of(const std::string& subject, double bytes_j = 0) {
  Estimate estimate;
  estimate.subject = subject;
  estimate.test = "tg2";
  estimate.tokens = 2;
  estimate.bytes_j = bytes_j;
  return estimate;
}

BenchReport report_with(const Estimate& estimate) {
  BenchRow row;
  row.subject.name = "ternary";
  row.test = {.gen = 2};
  row.run.record_id = "r";
  row.ts.mean = 1;
  row.energy.why = "no meter here";
  BenchReport report;
  report.rows = {row};
  add_estimates(report, "r", {estimate});
  add_estimates(report, "another", {estimate_of("ternary", 99)});
  return report;
}

TEST_CASE("an estimate has a table of its own that says what it leaves out") {
  Estimate estimate = estimate_of("ternary", 0.5);
  estimate.arithmetic = {.linear_j = 0.004, .attention_j = 0.002};
  std::ostringstream out;
  write_estimates(report_with(estimate).rows, out);
  CHECK_THAT(out.str(), Contains("ESTIMATE of") && Contains(" 250 |"));
  CHECK_THAT(out.str(), Contains("no measurement") && Contains("leaves out memory, caches") &&
                            Contains("Horowitz"));
  estimate.why_no_arithmetic = "no constant";
  std::ostringstream without;
  write_estimates(report_with(estimate).rows, without);
  CHECK_THAT(without.str(), Contains("none for the arithmetic of ternary: no constant"));
  std::ostringstream nothing;
  write_estimates({BenchRow{}}, nothing);
  CHECK(nothing.str().empty());
}

TEST_CASE(
    "an estimate stands beside energy in JSON, never inside it, and flat formats leave it out") {
  const BenchReport report = report_with(estimate_of("ternary", 0.5));
  std::ostringstream text, flat, sql;
  make_writer(OutputFormat::kJson)->write(report, text);
  const json tern = json::parse(text.str()).at(0).at("tern");
  CHECK(tern["energy"] == json{{"status", "not_measured"}, {"why", "no meter here"}});
  CHECK(tern["estimate"]["bytes_j_per_token"] == 0.25);
  CHECK_FALSE(tern["estimate"]["caveats"].empty());
  make_writer(OutputFormat::kCsv)->write(report, flat);
  make_writer(OutputFormat::kSql)->write(report, sql);
  CHECK_THAT(flat.str() + sql.str(), !Contains("estimate"));
}

TEST_CASE("a record keeps estimates in a part of their own, with constants and caveats") {
  Record record = Record::begin("scalar");
  Estimate none = estimate_of("baseline");
  none.why_no_arithmetic = "no constant";
  record_estimates(record, {estimate_of("ternary"), none});
  const json& part = record.document()["estimate"];
  CHECK(part["pj"]["int8_add"] == 0.007);
  CHECK(part["caveats"].size() == estimate_caveats().size());
  CHECK(part["tests"][0].contains("linear_j"));
  CHECK(part["tests"][1]["why_no_arithmetic"] == "no constant");
  CHECK_FALSE(part["tests"][1].contains("linear_j"));
}

std::string judged(const Record& record) {
  const Side a = side_of(record, "ternary"), b = side_of(record, "baseline");
  std::ostringstream out;
  out << comparison_text(compare(a, b, {}), OutputFormat::kJson, true);
  BenchReport report = recorded_report(record);
  make_writer(OutputFormat::kJson)->write(report, out);
  return out.str();
}

TEST_CASE("no comparison and no report of a record reads an estimate") {
  Record with = Record::parse(text_of(TERN_SOURCE_DIR "/tests/golden/record_energy_v1.json"));
  REQUIRE(with.document().contains("estimate"));
  Record without = with;
  without.document().erase("estimate");
  CHECK(judged(with) == judged(without));
  // Nor where there is nothing else to go by.
  for (Record* record : {&with, &without}) {
    for (json& trial : record->document()["trials"]) {
      trial["energy"] = {{"status", "not_measured"}, {"why", "no meter here"}};
    }
    record->document().erase("idle");
  }
  CHECK(judged(with) == judged(without));
  CHECK_THAT(judged(with), Contains("no meter here") && !Contains("\"estimate\""));
}

// Whoever wants to read one has to come past here.
TEST_CASE("only what makes and prints estimates knows of them") {
  const std::set<std::string> may = {"estimate.h",       "estimate.cpp",     "bench_report.h",
                                     "bench_report.cpp", "estimate_table.h", "estimate_table.cpp",
                                     "json.cpp",         "bench.cpp",        "markdown.cpp"};
  const std::filesystem::path root = TERN_SOURCE_DIR;
  int seen = 0;
  for (const char* folder : {"harness", "dashboards", "energy", "evals", "datasets", "engine"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".cpp" && extension != ".h" && extension != ".js") continue;
      const std::string text = text_of(entry.path());
      ++seen;
      const bool knows = text.find("\"estimate\"") != std::string::npos ||
                         text.find("harness/estimate.h") != std::string::npos ||
                         text.find("estimate_table.h") != std::string::npos ||
                         text.find("energy_estimate") != std::string::npos;
      CAPTURE(entry.path().string());
      CHECK((!knows || may.contains(entry.path().filename())));
    }
  }
  CHECK(seen > 100);
}

}  // namespace
}  // namespace tern::harness
