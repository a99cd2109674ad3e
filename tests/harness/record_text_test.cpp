#include "harness/record_text.h"

#include <nlohmann/json.hpp>

#include "tests/harness/sample_trials.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("tables are aligned by characters, not by bytes, and cells stay in their row") {
  CHECK(markdown_table({"a", "b", "note"}, {{"1 ± 2", "x", "one\ntwo"}, {"12345", "y|z", ""}}) ==
        "| a     | b    | note |\n"
        "| ----- | ---- | --- |\n"
        "| 1 ± 2 | x    | one two |\n"
        "| 12345 | y\\|z |  |\n");
}

TEST_CASE("the list as csv quotes what needs it") {
  RecordSummary summary;
  summary.id = "id";
  summary.created = "now";
  summary.status = "ok";
  summary.models = "a, b";
  summary.tests = "say \"x\"";
  summary.trials = 3;
  CHECK(list_csv({summary}) ==
        "id,created,status,trials,models,tests,machine\n"
        "id,now,ok,3,\"a, b\",\"say \"\"x\"\"\",\n");
}

TEST_CASE("the list as Markdown says when there is nothing, and marks what has not finished") {
  CHECK(list_markdown({}) == "no records yet\n");
  RecordSummary summary;
  summary.status = "running";
  CHECK_THAT(list_markdown({summary}), Contains("running (unfinished)"));
}

TEST_CASE("a shown record derives speed and joules, and says why joules are missing") {
  Record record = Record::begin("scalar");
  Trial slow = measured_trial(0);
  slow.elapsed_ns = 2'000'000'000;  // 64 t/s
  Trial fast = measured_trial(2);
  fast.elapsed_ns = 1'000'000'000;  // 128 t/s
  record.add(slow);
  record.add(fast);
  record.add(unmeasured_trial(1));
  record.finish("ok", {"memory was short"});
  const std::string text = record_markdown(record);
  CHECK_THAT(text, Contains(record.id()));
  CHECK_THAT(text, Contains("memory was short"));
  CHECK_THAT(text, Contains("| tg128 @ d512 | ternary  | 2      | 96.00 ± 45.25"));
  CHECK_THAT(text, Contains("0.6582 ± 0.0000"));  // 84.25 J / 128
  CHECK_THAT(text, Contains("baseline | 1") && Contains("n/m |"));
  CHECK_THAT(text, Contains("energy not measured: powercap: no such folder"));
  CHECK_THAT(record_markdown(Record::begin("scalar")), Contains("no trials"));
}

}  // namespace
}  // namespace tern::harness
