#include "harness/kernel_benchmarks.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "harness/error.h"
#include "harness/record_file.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

std::string golden() {
  std::ifstream file(std::string(TERN_SOURCE_DIR) + "/tests/golden/kernel_bench.json");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string error_of(const json& document) {
  try {
    parse_records(document.dump(), "k.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "(accepted)";
}

TEST_CASE("results of tern_kernel_bench become one record of its repetitions") {
  const std::vector<Record> records = parse_records(golden(), "k.json");
  REQUIRE(records.size() == 1);
  const json& document = records[0].document();
  CHECK(document["created"] == "2026-01-31T11:34:56.000Z");
  CHECK(document["machine"]["cpu"]["name"] == "A CPU");
  CHECK(document["tern"]["commit"] == "0a1b2c3d4e5f");
  CHECK(document["status"] == "failed");
  CHECK(document["reasons"] ==
        json::array({"avx2/bf16/gemv/2560x2560/manual_time: out of memory"}));
  const json& entries = document["kernel_benchmarks"];
  REQUIRE(entries.size() == 4);  // no aggregate
  CHECK(entries[0] == json{{"name", "avx2/ternary/gemv/2560x2560/manual_time"},
                           {"iterations", 100},
                           {"real_time_ns", 100'500.0},
                           {"cpu_time_ns", 201'000.0},
                           {"counters", {{"GB/s", 16.25}, {"share", 0.875}}}});
  CHECK(entries[2]["real_time_ns"] == 2.5e6);
  CHECK(entries[3] ==
        json{{"name", "avx2/bf16/gemv/2560x2560/manual_time"}, {"why", "out of memory"}});
}

TEST_CASE("the same results have the same id, others another") {
  const std::string id = parse_records(golden(), "k.json")[0].id();
  CHECK(parse_records(json::parse(golden()).dump(), "k.json")[0].id() == id);
  json other = json::parse(golden());
  other["benchmarks"][0]["real_time"] = 100.625;
  CHECK(parse_records(other.dump(), "k.json")[0].id() != id);
}

TEST_CASE("kernel benchmarks are shown with their share of the limit") {
  const std::string text = kernel_benchmarks_markdown(parse_records(golden(), "k.json")[0]);
  CHECK_THAT(text, Contains("| 100.5 ") && Contains("| 16.25 ") && Contains("| 87.5 |") &&
                       Contains("| 21.0 ") && Contains("out of memory"));
  CHECK(kernel_benchmarks_markdown(Record::begin("scalar")).empty());
}

TEST_CASE("what is no result of tern_kernel_bench is refused in one sentence") {
  const json good = json::parse(golden());
  json bad = good;
  bad["context"].erase("tern_machine");
  CHECK(error_of(bad) ==
        "k.json: not results of tern_kernel_bench: its \"context\" has no \"tern_machine\"");
  bad = good;
  bad["context"]["tern_build"] = "[1]";
  CHECK_THAT(error_of(bad), Contains("no JSON object"));
  bad = good;
  bad["context"]["date"] = "yesterday";
  CHECK_THAT(error_of(bad), Contains("\"date\" is \"yesterday\""));
  bad = good;
  bad["benchmarks"] = json::array();
  CHECK_THAT(error_of(bad), Contains("no repetition"));
  bad = good;
  bad["benchmarks"][0]["time_unit"] = "h";
  CHECK_THAT(error_of(bad), Contains("\"time_unit\" is \"h\""));
  bad = good;
  bad["benchmarks"][0].erase("real_time");
  CHECK_THAT(error_of(bad), Contains("expected a number in \"real_time\""));
  bad = good;
  bad["benchmarks"] = 3;
  CHECK_THAT(error_of(bad), Contains("an array in \"benchmarks\""));
}

}  // namespace
}  // namespace tern::harness
