#include "harness/record.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "harness/error.h"
#include "tests/harness/sample_trials.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

TEST_CASE("a new record has every part, a version 7 id of now, and runs") {
  const Record record = Record::begin("scalar");
  const json& document = record.document();
  CHECK(document["schema"] == "tern.record/1");
  CHECK(document["status"] == "running");
  CHECK(document["tern"]["kernels"] == "scalar");
  for (const char* part : {"machine", "environment", "protocol", "subjects", "trials", "evals"}) {
    CHECK(document.contains(part));
  }
  const std::string id = record.id();
  REQUIRE(id.size() == 36);
  CHECK(id[14] == '7');
  CHECK(std::string("89ab").find(id[19]) != std::string::npos);
  // 2024-01-01 to 2100-01-01 in milliseconds.
  const long long ms = std::stoll(id.substr(0, 8) + id.substr(9, 4), nullptr, 16);
  CHECK(ms > 1'704'000'000'000);
  CHECK(ms < 4'102'000'000'000);
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(Record::begin("scalar").id());
  CHECK(ids.size() == 1000);
}

TEST_CASE("trials survive the way through text, large integers included") {
  Record record = Record::begin("scalar");
  record.add(measured_trial(0));
  record.add(unmeasured_trial(1));
  record.finish("ok", {"a remark"});
  const Record again = Record::parse(record.text());
  CHECK(again.document() == record.document());
  CHECK(again.document()["reasons"] == json({"a remark"}));
  const std::vector<Trial> trials = again.trials();
  REQUIRE(trials.size() == 2);
  const Trial expected = measured_trial(0);
  CHECK(trials[0].test == "tg128 @ d512");
  CHECK(trials[0].start_unix_ns == expected.start_unix_ns);
  CHECK(trials[0].bytes_moved == expected.bytes_moved);
  CHECK(trials[0].cpu_ns == expected.cpu_ns);
  CHECK(trials[0].operations.int8 == expected.operations.int8);
  CHECK(trials[0].operations.fp32 == expected.operations.fp32);
  CHECK(trials[0].energy.status == energy::Status::kMeasured);
  CHECK(trials[0].energy.total_joules == Approx(84.25).epsilon(1e-12));
  CHECK(trials[0].energy.updates == 21);
  REQUIRE(trials[0].energy.domains.size() == 4);
  for (const energy::DomainEnergy& domain : trials[0].energy.domains) {
    if (domain.name == "psys") CHECK_FALSE(domain.included);
    if (domain.name == "package-1") CHECK_FALSE(domain.measured);
  }
  CHECK(trials[1].energy.status == energy::Status::kNotMeasured);
  CHECK(trials[1].energy.why == "powercap: no such folder");
  REQUIRE(trials[0].counters.size() == 2);
  CHECK(trials[0].counters[0].measured);
  CHECK(trials[0].counters[1].why == "no PMU");
}

TEST_CASE("energy that is not measured carries a reason and no number") {
  energy::EnergyDelta delta = measured_trial(0).energy;
  delta.status = energy::Status::kNotMeasured;
  delta.why = "package-0 was reset";
  const json object = to_json(delta);
  CHECK(object["status"] == "not_measured");
  CHECK(object["why"] == "package-0 was reset");
  const json flat = object.flatten();
  for (const auto& [path, value] : flat.items()) {
    CAPTURE(path);
    CHECK_FALSE(value.is_number());
  }
}

TEST_CASE("energy in microjoules by domain") {
  const json object = to_json(measured_trial(0).energy);
  CHECK(object["status"] == "measured");
  CHECK(object["domains"]["package-0"]["uj"].get<double>() == Approx(80.25e6));
  CHECK(object["domains"]["psys"]["included"] == false);
  CHECK(object["domains"]["psys"]["why"] == "holds the package");
  CHECK_FALSE(object["domains"]["package-1"].contains("uj"));
}

TEST_CASE("the golden record is read, and unknown fields survive") {
  std::ifstream file(TERN_SOURCE_DIR "/tests/golden/record_v1.json");
  REQUIRE(file);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const Record record = Record::parse(text);
  CHECK(json::parse(record.text()) == json::parse(text));
  CHECK(record.document().contains("x_unknown"));
  const std::vector<Trial> trials = record.trials();
  REQUIRE(trials.size() == 4);
  CHECK(trials[0].subject == "ternary");
  CHECK(trials[0].energy.total_joules == Approx(84.25));
  CHECK(trials[3].energy.why == "powercap: package-0 did not move for 1.2 s");
  // What this version writes for a trial is what the golden file pins.
  json pinned = record.document()["trials"][0];
  pinned.erase("x_future");
  CHECK(to_json(trials[0]) == pinned);
}

TEST_CASE("what is no record is refused with the reason") {
  const auto broken = [](auto change) {
    Record record = Record::begin("scalar");
    change(record.document());
    return record.text();
  };
  CHECK_THROWS_WITH(Record::parse("{"), Contains("not valid JSON"));
  CHECK_THROWS_WITH(Record::parse("[1]"), Contains("expected a JSON object, got array"));
  CHECK_THROWS_WITH(Record::parse("{}"), Contains("\"schema\""));
  CHECK_THROWS_WITH(Record::parse(broken([](json& d) { d["schema"] = "tern.record/2"; })),
                    Contains("tern.record/2"));
  CHECK_THROWS_WITH(Record::parse(broken([](json& d) { d["id"] = "'; DROP TABLE"; })),
                    Contains("UUID"));
  CHECK_THROWS_WITH(Record::parse(broken([](json& d) { d.erase("machine"); })),
                    Contains("\"machine\""));
  CHECK_THROWS_WITH(Record::parse(broken([](json& d) { d["trials"] = 3; })),
                    Contains("\"trials\""));
  for (const char* key : {"subject", "order_index", "elapsed_ns", "energy"}) {
    Record record = Record::begin("scalar");
    record.add(measured_trial(0));
    record.document()["trials"][0].erase(key);
    CAPTURE(key);
    CHECK_THROWS_AS(Record::parse(record.text()), Error);
  }
  Record record = Record::begin("scalar");
  record.add(measured_trial(0));
  record.document()["trials"][0]["energy"]["status"] = "guessed";
  CHECK_THROWS_WITH(Record::parse(record.text()), Contains("got \"guessed\""));
}

TEST_CASE("bytes that are no UTF-8 do not lose a record") {
  Record record = Record::begin("scalar");
  record.document()["machine"]["cpu"] = {{"name", "bad \xff byte"}};
  CHECK_NOTHROW(Record::parse(record.text()));
}

}  // namespace
}  // namespace tern::harness
