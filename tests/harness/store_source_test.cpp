#include "harness/store_source.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "harness/record.h"
#include "harness/record_store.h"
#include "harness/recorded_report.h"
#include "tests/harness/sample_trials.h"
#include "tests/support/catch.h"

using namespace tern::harness;
using nlohmann::json;

namespace {

class StoreFile {
 public:
  StoreFile() {
    static int number = 0;
    folder_ = std::filesystem::temp_directory_path() /
              ("tern-source-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
    std::filesystem::create_directories(folder_);
  }
  ~StoreFile() { std::filesystem::remove_all(folder_); }
  std::filesystem::path path() const { return folder_ / "t.db"; }

 private:
  std::filesystem::path folder_;
};

Record two_subjects() {
  Record record = Record::begin("scalar");
  record.document()["subjects"] = {{{"name", "ternary"}, {"model", "synth:tiny"}},
                                   {{"name", "baseline"}, {"model", "synth:tiny"}}};
  record.document()["machine"]["cpu"]["name"] = "a CPU";
  return record;
}

// Two pairs of tg128: the first subject takes 1 s, the other one 2 s and 4 s.
Record paired_record(Trial (*make)(int)) {
  Record record = two_subjects();
  for (int i = 0; i < 4; ++i) {
    Trial trial = make(i);
    trial.test = "tg128";
    trial.elapsed_ns = trial.subject == "ternary" ? 1'000'000'000 : 1'000'000'000LL << (1 + i / 2);
    record.add(trial);
  }
  record.finish("ok", {});
  return record;
}

json run_of(StoreSource& source, const std::string& id) {
  const auto text = source.run(id);
  REQUIRE(text.has_value());
  return json::parse(*text);
}

json page_of(StoreSource& source, std::size_t offset = 0) {
  return json::parse(source.runs(offset));
}

}  // namespace

TEST_CASE("test names are read back", "[store_source]") {
  for (const char* name : {"pp512", "tg128", "pp8+tg2", "tg128 @ d512", "pp512 @ d1",
                           "pp1+tg1 @ d7", "tg64 x16", "pp8+tg2 x3 @ d9"}) {
    CAPTURE(name);
    const auto test = parse_test_name(name);
    REQUIRE(test.has_value());
    CHECK(test->name() == name);
  }
  for (const char* name :
       {"", "pp", "tg", "pp-1", "pp007", "tg128 ", "tg128 @ d", "tg128@ d5", "xpp1",
        "pp99999999999", "tg128 @ d0", "prefill", "tg64 x1", "tg64 x0", "tg64 x", "tg64 @ d5 x2"}) {
    CAPTURE(name);
    CHECK_FALSE(parse_test_name(name).has_value());
  }
}

TEST_CASE("a store that is not there is empty and stays away", "[store_source]") {
  const StoreFile file;
  StoreSource source(file.path());
  CHECK(page_of(source) == json{{"total", 0}, {"offset", 0}, {"runs", json::array()}});
  CHECK_FALSE(source.run("01").has_value());
  CHECK_FALSE(std::filesystem::exists(file.path()));
}

TEST_CASE("a run with joules: ratio, interval and saving are derived", "[store_source]") {
  const StoreFile file;
  const Record record = paired_record(measured_trial);
  RecordStore(file.path()).import(record);
  StoreSource source(file.path());
  const json run = run_of(source, record.id());
  CHECK(run.at("id") == record.id());
  CHECK(run.at("machine").at("cpu").at("name") == "a CPU");
  REQUIRE(run.at("tests").size() == 1);
  const json& test = run["tests"][0];
  CHECK(test.at("test") == "tg128");
  const json& speed = test.at("comparison").at("tokens_per_s");
  CHECK(speed.at("value").get<double>() == Approx(std::sqrt(8.0)));
  CHECK(speed.at("pairs") == 2);
  CHECK(speed.at("low").get<double>() < speed.at("value").get<double>());
  // Every trial used the same joules for the same tokens.
  CHECK(test["comparison"].at("j_per_token").at("value").get<double>() == Approx(1.0));
  CHECK(test["comparison"].at("energy_saved").get<double>() == Approx(0.0).margin(1e-12));
  const json& row = test.at("rows").at(1);
  CHECK(row.at("subject") == "baseline");
  CHECK(row.at("tokens_per_s").get<double>() == Approx((64.0 + 32.0) / 2));
  CHECK(row.at("logits_hash") == "0123456789abcdef");
  CHECK(row.at("energy").at("j_per_token").get<double>() == Approx(84.25 / 128));
  REQUIRE(run.at("trials").size() == 4);
  const json& trial = run["trials"][3];
  CHECK(trial.at("order_index") == 3);
  CHECK(trial.at("tokens_per_s").get<double>() == Approx(32.0));
  CHECK(trial.at("energy").at("joules").get<double>() == Approx(84.25));
}

TEST_CASE("a metered run: uncertainties, idle power, phases, identity and domains",
          "[store_source]") {
  std::ifstream stream(TERN_SOURCE_DIR "/tests/golden/record_energy_v1.json");
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  const Record record = Record::parse(text);
  const json run = json::parse(run_json(record));
  // The page has the figures of the report, and no others.
  const BenchReport report = recorded_report(record);
  REQUIRE(run.at("tests").size() == 2);
  CHECK(run["tests"][0].at("phase") == "prefill");
  CHECK(run["tests"][1].at("phase") == "decode");
  const json& shown = run["tests"][1]["rows"][0]["energy"];
  const EnergyFigures& energy = report.rows.at(2).energy;
  CHECK(shown.at("j_per_token").get<double>() == energy.j_per_token);
  CHECK(shown.at("u_abs").get<double>() == energy.u->absolute);
  CHECK(shown.at("u_cmp").get<double>() == energy.u->comparative);
  CHECK(shown.at("dynamic").at("idle_w").get<double>() == energy.dynamic->idle_w);
  CHECK(shown["dynamic"].at("j_per_token").get<double>() == energy.dynamic->j_per_token);
  CHECK(shown["dynamic"].at("u_abs").get<double>() == energy.dynamic->u.absolute);
  const json& prefill = run["tests"][0].at("comparison");
  const EnergyRatio& ratio = report.comparisons.at(0).energy.ratio.value();
  CHECK(prefill.at("identity").at("only_speedup") == true);
  CHECK(prefill["identity"].at("text") == what_saves(ratio));
  CHECK(prefill["identity"]["power"]["value"].get<double>() == ratio.power.value);
  CHECK(prefill.at("energy_saved").get<double>() ==
        Approx(1 - ratio.power.value / ratio.speed.value));
  CHECK(prefill.at("j_per_token").at("u_cmp").get<double>() == ratio.u_cmp.value());
  CHECK(prefill["j_per_token"].at("low_with_meter").get<double>() < ratio.joules.low);
  CHECK(run["tests"][1]["comparison"]["identity"]["only_speedup"] == false);
  const json& meter = run.at("meter");
  CHECK(meter.at("assumptions").size() == 2);
  CHECK(meter.at("idle").at("windows") == 10);
  CHECK(meter["idle"].at("drift_w").get<double>() == Approx(0.6));
  REQUIRE(meter.at("domains").size() == 3);
  CHECK(meter["domains"][2].at("name") == "psys");
  CHECK(meter["domains"][2].at("included") == false);
  CHECK(meter["domains"][2].at("why") == "the platform holds the package already");
  CHECK(run["trials"][0]["energy"].at("u_abs").get<double>() == Approx(1.728842));
  CHECK_FALSE(run.contains("command"));
}

TEST_CASE("a command: its figures and notes on its page and in the list", "[store_source]") {
  const StoreFile file;
  Record record = Record::begin("none");
  record.document()["subjects"] = json::array();
  record.document()["subjects"].push_back({{"name", "command"}, {"description", "sleep 1"}});
  for (int i = 0; i < 2; ++i) {
    Trial trial = measured_trial(i);
    trial.subject = "command";
    trial.test = "sleep 1";
    trial.tokens = 0;
    trial.elapsed_ns = 1'000'000'000 + i * 200'000'000;
    trial.command = CommandUsage{};
    record.add(trial);
  }
  record.finish("ok", {});
  RecordStore(file.path()).import(record);
  StoreSource source(file.path());
  const json run = run_of(source, record.id());
  const json& wall = run.at("command").at("figures").at(0);
  CHECK(wall.at("name") == "wall time, s");
  CHECK(wall.at("mean").get<double>() == Approx(1.1));
  CHECK(wall.at("low").get<double>() < 1.0);
  CHECK(wall.at("n") == 2);
  const std::string notes = run["command"].at("notes").dump();
  CHECK(notes.find("energy: measured by powercap (1 of 1 packages + dram)") != std::string::npos);
  const json entry = page_of(source).at("runs").at(0);
  CHECK(entry.at("command").at(0) == wall);
  CHECK(entry.at("ratios").empty());
  CHECK(entry == page_of(source).at("runs").at(0));  // from memory now
}

TEST_CASE("a run without joules has the reason and no number", "[store_source]") {
  const StoreFile file;
  const Record record = paired_record(unmeasured_trial);
  RecordStore(file.path()).import(record);
  StoreSource source(file.path());
  const json run = run_of(source, record.id());
  const json& test = run.at("tests").at(0);
  CHECK(test.at("comparison").at("why_no_j_per_token") == "powercap: no such folder");
  CHECK_FALSE(test["comparison"].contains("j_per_token"));
  CHECK_FALSE(test["comparison"].contains("energy_saved"));
  const json nothing = {{"status", "not_measured"}, {"why", "powercap: no such folder"}};
  for (const json& row : test.at("rows")) CHECK(row.at("energy") == nothing);
  for (const json& trial : run.at("trials")) CHECK(trial.at("energy") == nothing);
}

TEST_CASE("one pair, one subject, an unknown test and no trials", "[store_source]") {
  const StoreFile file;
  RecordStore store(file.path());
  StoreSource source(file.path());

  Record one_pair = two_subjects();
  one_pair.add(measured_trial(0));
  one_pair.add(measured_trial(1));
  store.import(one_pair);
  const json ratio =
      run_of(source, one_pair.id()).at("tests").at(0).at("comparison").at("tokens_per_s");
  CHECK(ratio.at("pairs") == 1);
  CHECK_FALSE(ratio.contains("low"));
  CHECK(ratio.at("why_no_interval") == "one pair gives no interval");

  Record alone = Record::begin("scalar");
  alone.document()["subjects"] = {{{"name", "ternary"}}};
  alone.add(measured_trial(0));
  store.import(alone);
  const json test = run_of(source, alone.id()).at("tests").at(0);
  CHECK_FALSE(test.contains("comparison"));
  CHECK(test.at("why_no_comparison").get<std::string>().find("one subject") != std::string::npos);

  Record foreign = two_subjects();
  Trial trial = measured_trial(0);
  trial.test = "prefill";
  foreign.add(trial);
  store.import(foreign);
  const json run = run_of(source, foreign.id());
  CHECK(run.at("tests").empty());
  CHECK(run.at("trials").size() == 1);
  CHECK(run.at("notes").at(0).get<std::string>().find("\"prefill\"") != std::string::npos);

  const Record empty = two_subjects();
  store.import(empty);
  CHECK(run_of(source, empty.id()).at("tests").empty());
  CHECK(run_of(source, empty.id()).at("status") == "running");
}

TEST_CASE("scores are derived from the items", "[store_source]") {
  const StoreFile file;
  Record record = two_subjects();
  const json energy = to_json(measured_trial(0).energy);
  json items = json::array();
  for (int doc = 0; doc < 4; ++doc) {
    items.push_back(
        {{"doc_id", doc},
         {"elapsed_ns", 2'000'000'000},
         {"energy", energy},
         {"results", {{{"filter", "none"}, {"metrics", {{"acc", doc == 0 ? 0 : 1}}}}}}});
  }
  const json no_energy = {{"status", "not_measured"}, {"why", "no meter"}};
  json unmetered = items;
  unmetered[2]["energy"] = no_energy;
  record.document()["evals"] = {{{"task", "piqa"}, {"documents", 4}, {"items", items}},
                                {{"task", "piqa"}, {"items", unmetered}},
                                {{"task", "other"}, {"items", json::array()}},
                                {{"result", "in a form of its own"}}};
  RecordStore(file.path()).import(record);
  StoreSource source(file.path());
  const json evals = run_of(source, record.id()).at("evals");
  REQUIRE(evals.size() == 4);
  CHECK(evals[0].at("items") == 4);
  const json& score = evals[0].at("scores").at(0);
  CHECK(score.at("metric") == "acc");
  CHECK(score.at("value").get<double>() == Approx(0.75));
  CHECK(score.at("stderr").get<double>() == Approx(0.25));
  CHECK(evals[0].at("s_per_question").get<double>() == Approx(2.0));
  CHECK(evals[0].at("energy").at("j_per_question").get<double>() == Approx(84.25));
  CHECK(evals[1].at("energy") == no_energy);
  CHECK(evals[2].at("scores").empty());
  CHECK(evals[3].at("task") == "unknown");
  CHECK(evals[3].at("scores").empty());
}

TEST_CASE("perplexities are of all items together", "[store_source]") {
  const StoreFile file;
  Record record = two_subjects();
  const auto item = [](int doc_id, double sum, double weight) {
    json results = {{"filter", "none"}, {"metrics", json::object()}};
    for (const char* metric : {"word_perplexity", "bits_per_byte", "unknown"}) {
      results["weighted"][metric] = {{"sum", sum}, {"weight", weight}};
    }
    return json{{"doc_id", doc_id}, {"results", {results}}};
  };
  const json metrics = {{{"name", "word_perplexity"}, {"aggregation", "weighted_perplexity"}},
                        {{"name", "bits_per_byte"}, {"aggregation", "bits_per_byte"}},
                        {{"name", "unknown"}}};
  record.document()["evals"] = {
      {{"task", "wikitext"}, {"metrics", metrics}, {"items", {item(0, -8, 2), item(1, -2, 3)}}}};
  RecordStore(file.path()).import(record);
  StoreSource source(file.path());
  const json scores = run_of(source, record.id()).at("evals").at(0).at("scores");
  REQUIRE(scores.size() == 2);
  CHECK(scores[0].at("metric") == "bits_per_byte");
  CHECK(scores[0].at("value").get<double>() == Approx(2 / std::log(2.0)));
  CHECK(scores[1].at("value").get<double>() == Approx(std::exp(2.0)));
  CHECK(scores[1].at("items") == 2);
  CHECK_FALSE(scores[1].contains("stderr"));
}

TEST_CASE("the list is newest first, in pages, and follows the store", "[store_source]") {
  const StoreFile file;
  StoreSource source(file.path());
  RecordStore store(file.path());
  Record running = two_subjects();
  store.begin(running);
  CHECK(page_of(source).at("runs").at(0).at("ratios").empty());
  // Trials of a run that goes on are seen, though the list was asked for before.
  for (int i = 0; i < 4; ++i) store.append(running.id(), measured_trial(i));
  json entry = page_of(source).at("runs").at(0);
  CHECK(entry.at("trials") == 4);
  CHECK(entry.at("ratios").at(0).at("tokens_per_s").at("pairs") == 2);
  CHECK(entry["ratios"][0].at("j_per_token").at("value").get<double>() == Approx(1.0));
  running.finish("ok", {});
  store.finish(running);
  entry = page_of(source).at("runs").at(0);
  CHECK(entry.at("status") == "ok");
  CHECK(entry == page_of(source).at("runs").at(0));  // from memory now

  for (std::size_t i = 0; i < kRunsPerPage; ++i) store.import(two_subjects());
  const json first = page_of(source);
  CHECK(first.at("total") == kRunsPerPage + 1);
  CHECK(first.at("runs").size() == kRunsPerPage);
  const json second = page_of(source, kRunsPerPage);
  REQUIRE(second.at("runs").size() == 1);
  CHECK(second["runs"][0].at("id") == running.id());
  CHECK(page_of(source, 100'000).at("runs").empty());
}

TEST_CASE("several threads read while another writes", "[store_source]") {
  const StoreFile file;
  RecordStore store(file.path());
  StoreSource source(file.path());
  Record record = two_subjects();
  store.begin(record);
  std::vector<std::size_t> last(3);
  {
    std::vector<std::jthread> readers;
    for (std::size_t& seen : last) {
      readers.emplace_back([&] {
        for (int i = 0; i < 20; ++i) {
          const json run = json::parse(source.run(record.id()).value());
          seen = run.at("trials").size();
          source.runs(0);
        }
      });
    }
    for (int i = 0; i < 40; ++i) store.append(record.id(), measured_trial(i));
  }
  for (const std::size_t seen : last) CHECK(seen <= 40);
  CHECK(run_of(source, record.id()).at("trials").size() == 40);
}

TEST_CASE("the golden record can be shown", "[store_source]") {
  std::ifstream stream(TERN_SOURCE_DIR "/tests/golden/record_v1.json");
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  const json run = json::parse(run_json(Record::parse(text)));
  CHECK(run.at("trials").size() == 4);
  CHECK(run.at("tests").at(0).at("rows").at(0).at("energy").at("status") == "measured");
  // One side of each pair lacks a meter's reading, so no joules are compared.
  CHECK_FALSE(run["tests"][0].at("comparison").contains("j_per_token"));
}
