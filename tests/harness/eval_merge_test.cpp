#include "harness/eval_merge.h"

#include <nlohmann/json.hpp>

#include "harness/error.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

json item(int doc_id, const std::string& response) {
  return {{"doc_id", doc_id}, {"response", response}, {"elapsed_ns", 5}};
}

// A part of an evaluation of six documents with those items.
Record part(std::vector<json> items, const std::string& shard = "1/2") {
  Record record = Record::begin("scalar");
  json& document = record.document();
  document["machine"] = {{"hash", "here"}};
  document["protocol"] = {{"command", "eval"},
                          {"shard", shard},
                          {"identity",
                           {{"tasks", json::array({{{"task", "counting"}}})},
                            {"head", "stored"},
                            {"threads", 4},
                            {"kernels", "scalar"},
                            {"shard", shard}}}};
  document["subjects"] = json::array({{{"name", "ternary"}}});
  document["evals"] = json::array({{{"task", "counting"},
                                    {"subject", "ternary"},
                                    {"documents", 6},
                                    {"items", std::move(items)}}});
  record.finish("ok", {});
  return record;
}

Record even() { return part({item(0, "a"), item(2, "c"), item(4, "e")}); }
Record odd() { return part({item(1, "b"), item(3, "d"), item(5, "f")}, "2/2"); }

std::vector<int> ids(const Record& record) {
  std::vector<int> list;
  for (const json& item : record.document()["evals"][0]["items"]) list.push_back(item["doc_id"]);
  return list;
}

std::string all(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += sentence + "\n";
  return text;
}

TEST_CASE("parts of an evaluation become one record with all items in order") {
  const std::vector<Record> parts = {odd(), even()};
  const MergedItems merged = merge_evaluations(parts);
  CHECK(merged.complete);
  CHECK(merged.reasons.empty());
  CHECK(ids(merged.record) == std::vector<int>{0, 1, 2, 3, 4, 5});
  const json& protocol = merged.record.document()["protocol"];
  CHECK(protocol["merged"] == json{parts[0].id(), parts[1].id()});
  CHECK(!protocol.contains("shard"));
  CHECK(!protocol["identity"].contains("shard"));
  CHECK(merged.record.id() != parts[0].id());
}

TEST_CASE("documents that are missing or twice are named") {
  const MergedItems missing = merge_evaluations({even(), part({item(3, "d")}, "2/2")});
  CHECK(!missing.complete);
  CHECK_THAT(all(missing.reasons),
             Contains("counting (ternary): 2 of 6 documents are missing: 1, 5"));
  const MergedItems twice = merge_evaluations({even(), odd(), part({item(2, "c")})});
  CHECK(twice.complete);
  CHECK_THAT(all(twice.reasons), Contains("documents 2 are in several records"));
  CHECK(ids(twice.record) == std::vector<int>{0, 1, 2, 3, 4, 5});
  CHECK_THROWS_WITH(merge_evaluations({even(), odd(), part({item(2, "x")})}),
                    Contains("counting (ternary), document 2") && Contains("different answers"));
}

TEST_CASE("what decides answers must be the same, what decides times is said") {
  Record other = odd();
  other.document()["protocol"]["identity"]["head"] = "q8_0";
  CHECK_THROWS_WITH(merge_evaluations({even(), other}),
                    Contains("differ in head") && Contains("stored") && Contains("q8_0"));
  other = odd();
  other.document()["protocol"]["identity"]["baselines"] = json::array({"x"});
  CHECK_THROWS_WITH(merge_evaluations({even(), other}), Contains("differ in baselines"));
  other = odd();
  other.document()["protocol"]["identity"]["kernels"] = "amx+bf16";
  CHECK_THROWS_WITH(merge_evaluations({even(), other}), Contains("differ in kernels"));

  other = odd();
  other.document()["protocol"]["identity"]["threads"] = 8;
  other.document()["protocol"]["identity"]["kernels"] = "avx2";
  other.document()["machine"]["hash"] = "there";
  const MergedItems merged = merge_evaluations({even(), other});
  CHECK(merged.complete);
  CHECK_THAT(all(merged.reasons), Contains("differ in threads: 4 and 8") &&
                                      Contains("differ in kernels") && Contains("2 machines"));
}

TEST_CASE("what ended badly is carried over") {
  Record cut = odd();
  cut.document()["status"] = "running";
  cut.document()["reasons"] = {"unfit environment: noise"};
  const MergedItems merged = merge_evaluations({even(), cut});
  CHECK_THAT(all(merged.reasons), Contains(cut.id() + " is unfinished") && Contains("noise"));
}

TEST_CASE("what is no evaluation is refused") {
  Record bench = even();
  bench.document()["protocol"].erase("identity");
  CHECK_THROWS_WITH(merge_evaluations({even(), bench}), Contains(bench.id() + " is no evaluation"));
  const Record one = even();
  CHECK_THROWS_WITH(merge_evaluations({one, one}), Contains("is named twice"));
  Record broken = odd();
  broken.document()["evals"][0]["items"][0].erase("doc_id");
  CHECK_THROWS_WITH(merge_evaluations({even(), broken}), Contains("cannot be read"));
  broken.document()["evals"] = json::array();
  CHECK_THROWS_WITH(merge_evaluations({even(), broken}), Contains("cannot be read"));
  CHECK_THROWS_WITH(named_records({"nowhere"}, "/nonexistent/t.db"), Contains("there is no store"));
}

}  // namespace
}  // namespace tern::harness
