#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "harness/record.h"
#include "harness/recorded_report.h"
#include "harness/report/energy_table.h"
#include "harness/report/fields.h"
#include "harness/report/writer.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

std::string golden_path(const std::string& name) {
  return std::string(TERN_SOURCE_DIR) + "/tests/golden/" + name;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Two tests of three pairs on an Intel server with memory's counter, five idle windows of two
// seconds before (20 W) and after (20.6 W). Prefill: a third of the time at the same power. Decode:
// less power too.
Record metered() { return Record::parse(text_of(golden_path("record_energy_v1.json"))); }

std::string written(OutputFormat format, const BenchReport& report) {
  std::ostringstream out;
  make_writer(format)->write(report, out);
  return out.str();
}

// Nine digits: the last ones of exp and log differ between systems.
std::string rounded(const std::string& text) {
  static const std::regex kDecimal(R"([0-9]+\.[0-9]+)");
  std::string out;
  auto at = text.begin();
  for (std::sregex_iterator it(text.begin(), text.end(), kDecimal), end; it != end; ++it) {
    std::ostringstream number;
    number << std::setprecision(9) << std::stod(it->str());
    out.append(at, text.begin() + it->position());
    out += number.str();
    at = text.begin() + it->position() + it->length();
  }
  return out.append(at, text.end());
}

// TERN_UPDATE_GOLDEN=1 writes the file instead, for a change that is meant.
void check_golden(const std::string& name, const std::string& text) {
  if (std::getenv("TERN_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(golden_path(name), std::ios::binary) << text;
  }
  INFO(name);
  CHECK(text_of(golden_path(name)) == text);
}

const BenchRow& row_of(const BenchReport& report, const std::string& subject,
                       const std::string& test) {
  for (const BenchRow& row : report.rows) {
    if (row.subject.name == subject && row.test.name() == test) return row;
  }
  throw std::out_of_range("no row " + subject + " " + test);
}

TEST_CASE("the figures of a metered row are those of its trials, worked out by hand") {
  const BenchReport report = recorded_report(metered());
  const EnergyFigures& energy = row_of(report, "ternary", "tg32").energy;
  // 45 W, 44.5 W and 45.5 W over 2.001 s, 2.051 s and 1.981 s.
  const double joules = 45 * 2.001 + 44.5 * 2.051 + 45.5 * 1.981;
  const double window_s = 2.001 + 2.051 + 1.981, elapsed_s = 2 + 2.05 + 1.98;
  CHECK(energy.j_per_token == Approx(joules / 96));
  CHECK(energy.watts == Approx(joules / window_s));
  CHECK(energy.edp_js == Approx(joules / 96 * elapsed_s / 96));
  REQUIRE(energy.u.has_value());
  // 3 % of the package and 10 % of the memory's 4 W, independent; three trials add up.
  const double gain_j = std::hypot(0.03 * 41 * 2.001, 0.1 * 4 * 2.001) +
                        std::hypot(0.03 * 40.5 * 2.051, 0.1 * 4 * 2.051) +
                        std::hypot(0.03 * 41.5 * 1.981, 0.1 * 4 * 1.981);
  CHECK(energy.u->absolute == Approx(gain_j / 96).epsilon(1e-4));
  CHECK(energy.u->comparative ==
        Approx((std::hypot(41, 4) + std::hypot(40.5, 4) + std::hypot(41.5, 4)) * 1e-3 /
               std::sqrt(6.0) / 96)
            .epsilon(1e-4));
  REQUIRE(energy.dynamic.has_value());
  CHECK(energy.dynamic->idle_w > 20);
  CHECK(energy.dynamic->idle_w < 20.6);
  CHECK(energy.dynamic->j_per_token == Approx((joules - energy.dynamic->idle_w * window_s) / 96));
  CHECK(energy.dynamic->u.absolute > energy.u->absolute);
  CHECK_FALSE(energy.dynamic->below_resolution);
}

TEST_CASE("idle power is that of the moment of a trial") {
  const BenchReport report = recorded_report(metered());
  // The first test ran earlier, so its idle power is nearer to the windows before.
  const double prefill_w = row_of(report, "ternary", "pp64").energy.dynamic->idle_w;
  const double decode_w = row_of(report, "ternary", "tg32").energy.dynamic->idle_w;
  CHECK(prefill_w < decode_w);
  REQUIRE(report.rows[0].run.idle.has_value());
  CHECK(report.rows[0].run.idle->windows == 10);
  CHECK(report.rows[0].run.idle->drift_w.value() == Approx(0.6));
}

TEST_CASE(
    "a saving has its interval and its identity, and one that is only the speed-up is named") {
  const BenchReport report = recorded_report(metered());
  REQUIRE(report.comparisons.size() == 2);
  const EnergyRatio& prefill = report.comparisons[0].energy.ratio.value();
  const EnergyRatio& decode = report.comparisons[1].energy.ratio.value();
  for (const EnergyRatio* ratio : {&prefill, &decode}) {
    CHECK(ratio->saving() == Approx(1 - ratio->power.value / ratio->speed.value));
    CHECK(ratio->joules.has_interval);
  }
  CHECK(prefill.only_speedup());
  CHECK_FALSE(decode.only_speedup());
  CHECK(decode.power.value == Approx(0.75).epsilon(0.01));
  const std::string text = written(OutputFormat::kMarkdown, report);
  CHECK_THAT(text,
             Contains("only the speed-up, as far as these pairs show (pp64, ternary / baseline"));
  CHECK_THAT(text, !Contains("as far as these pairs show (tg32"));
  const json rows = json::parse(written(OutputFormat::kJson, report));
  const json& part = rows[2]["tern"]["energy_ratio_to_baseline"];
  CHECK(part["saving"].get<double>() == Approx(decode.saving()));
  CHECK(part["saving_low"].get<double>() == Approx(1 - part["high"].get<double>()));
  CHECK(part["only_speedup"] == false);
  CHECK(rows[0]["tern"]["energy"]["phase"] == "prefill");
  CHECK(rows[2]["tern"]["energy"]["phase"] == "decode");
  CHECK_FALSE(rows[1]["tern"].contains("energy_ratio_to_baseline"));
}

TEST_CASE("what the meter may be wrong by is in the identity of a saving") {
  Record record = metered();
  const BenchReport sure = recorded_report(record);
  const EnergyRatio& decode = sure.comparisons[1].energy.ratio.value();
  REQUIRE(decode.u_cmp.has_value());
  // Edges alone: 1 ms of 2 s and of 5 s, over root 6; see the figures of the row above.
  CHECK(*decode.u_cmp == Approx(std::hypot(0.000529 / 2.8276, 0.000723 / 9.4022)).epsilon(0.01));
  CHECK_THAT(what_saves(decode),
             Contains("beside the time the power is lower: the W ratio is 0.75"));
  CHECK_THAT(written(OutputFormat::kMarkdown, sure), !Contains("may be wrong by"));
  // AMD's 5 % do not cancel: a quarter less power still stands out, and so the interval is wider.
  for (json& trial : record.document()["trials"]) {
    double joules = 0;
    for (const auto& [name, domain] : trial["energy"]["domains"].items()) {
      if (domain["included"].get<bool>()) joules += domain["uj"].get<double>() * 1e-6;
    }
    trial["energy"]["u_cmp"] = 0.05 * joules;
  }
  const BenchReport amd = recorded_report(record);
  const EnergyRatio& wide = amd.comparisons[1].energy.ratio.value();
  CHECK(*wide.u_cmp == Approx(0.0707).epsilon(0.001));
  CHECK_FALSE(wide.only_speedup());
  const std::string text = written(OutputFormat::kMarkdown, amd);
  CHECK_THAT(text, Contains("J/tok ratio (tg32, ternary / baseline, 4 threads): the meter may be "
                            "wrong by 7.1 % of it"));
  const json part =
      json::parse(written(OutputFormat::kJson, amd))[2]["tern"]["energy_ratio_to_baseline"];
  CHECK(part["u_cmp"].get<double>() == Approx(*wide.u_cmp));
  CHECK(part["low_with_meter"].get<double>() < part["low"].get<double>());
  // With 20 % on each side a quarter less power is nothing that this meter could show.
  for (json& trial : record.document()["trials"]) {
    trial["energy"]["u_cmp"] = 4 * trial["energy"]["u_cmp"].get<double>();
  }
  const EnergyRatio coarse = recorded_report(record).comparisons[1].energy.ratio.value();
  CHECK(coarse.only_speedup());
  CHECK_THAT(what_saves(coarse), Contains("only the speed-up, as far as these pairs show: the W"));
  CHECK(coarse.power.low > decode.power.low - 1e-9);  // of the pairs alone, as before
}

TEST_CASE("a ratio of joules of unequal coverage is refused with its reason, in every format") {
  Record record = metered();
  for (json& trial : record.document()["trials"]) {
    if (trial["subject"] == "baseline") trial["energy"]["coverage"] = "1 of 2 packages";
  }
  const BenchReport report = recorded_report(record);
  CHECK_FALSE(report.comparisons[0].energy.ratio.has_value());
  CHECK(report.comparisons[0].energy.unequal_coverage);
  CHECK(report.rows[0].energy.status == energy::Status::kMeasured);
  const std::string why =
      "unequal coverage: one trial was metered by powercap, 1 of 1 packages + dram, another by "
      "powercap, 1 of 2 packages";
  CHECK_THAT(written(OutputFormat::kMarkdown, report),
             Contains("J/tok ratio refused (pp64, ternary / baseline, 4 threads): " + why) &&
                 Contains(" n/m |"));
  const json rows = json::parse(written(OutputFormat::kJson, report));
  CHECK(rows[0]["tern"]["energy_ratio_to_baseline"] == json{{"why", why}});
  CHECK_THAT(written(OutputFormat::kCsv, report), Contains(why));
  // Idle windows cover what the ternary trials cover, and not what the baseline's do.
  CHECK(report.rows[0].energy.dynamic.has_value());
  CHECK_FALSE(report.rows[1].energy.dynamic.has_value());
  CHECK_THAT(report.rows[1].energy.why_no_dynamic, Contains("unequal coverage"));
}

TEST_CASE("trials of one subject that cover different parts have no mean") {
  Record record = metered();
  record.document()["trials"][0]["energy"]["source"] = "perf";
  const BenchReport report = recorded_report(record);
  CHECK(report.rows[0].energy.status == energy::Status::kNotMeasured);
  CHECK_THAT(report.rows[0].energy.why, Contains("unequal coverage"));
  CHECK(report.rows[1].energy.status == energy::Status::kMeasured);
}

TEST_CASE("dynamic energy that does not stand out is below resolution, and the total stays") {
  Record record = metered();
  for (json& window : record.document()["idle"]) {
    json& domain = window["energy"]["domains"]["package-0"];
    domain["uj"] = domain["uj"].get<double>() + 44e6;  // 22 W more in two seconds
  }
  const BenchReport report = recorded_report(record);
  const EnergyFigures& energy = row_of(report, "ternary", "tg32").energy;
  REQUIRE(energy.dynamic.has_value());
  CHECK(energy.dynamic->below_resolution);
  CHECK_THAT(written(OutputFormat::kMarkdown, report),
             Contains("below resolution |") && Contains("2.8276"));
  const json row = json::parse(written(OutputFormat::kJson, report))[2];
  CHECK_FALSE(row["tern"]["energy"]["dynamic"].contains("j_per_token"));
  CHECK(row["tern"]["energy"].contains("j_per_token"));
}

TEST_CASE("without idle windows there is no dynamic energy and no column for it") {
  Record record = metered();
  record.document().erase("idle");
  const BenchReport report = recorded_report(record);
  CHECK_FALSE(report.rows[0].energy.dynamic.has_value());
  const std::string text = written(OutputFormat::kMarkdown, report);
  CHECK_THAT(text, Contains("| joules of") && !Contains("dynamic") && !Contains("idle"));
  CHECK_FALSE(
      json::parse(written(OutputFormat::kJson, report))[0]["tern"]["energy"].contains("dynamic"));
}

TEST_CASE("idle windows that failed are a reason beside the total") {
  Record record = metered();
  record.document()["idle"][3]["energy"] = {{"status", "not_measured"},
                                            {"why", "package-0 was reset"}};
  const BenchReport report = recorded_report(record);
  CHECK_THAT(
      written(OutputFormat::kMarkdown, report),
      Contains("dynamic energy: not measured: an idle window was not measured: package-0 was "
               "reset"));
  CHECK_THAT(written(OutputFormat::kCsv, report), Contains("package-0 was reset"));
}

TEST_CASE(
    "trials of earlier versions have no uncertainty, and so neither table nor dynamic energy") {
  Record record = metered();
  for (json& trial : record.document()["trials"]) trial["energy"].erase("u_cmp");
  const BenchReport report = recorded_report(record);
  CHECK_FALSE(report.rows[0].energy.u.has_value());
  CHECK_THAT(report.rows[0].energy.why_no_dynamic, Contains("uncertainty"));
  CHECK_THAT(written(OutputFormat::kMarkdown, report), !Contains("| joules of"));
}

TEST_CASE("where nothing was measured no format has a place for joules in full") {
  Record record = metered();
  record.document().erase("idle");
  record.document().erase("meter");
  for (json& trial : record.document()["trials"]) {
    trial["energy"] = {{"status", "not_measured"}, {"why", "no meter here"}};
  }
  const BenchReport report = recorded_report(record);
  CHECK_FALSE(has_energy_fields(report));
  CHECK_THAT(written(OutputFormat::kMarkdown, report),
             !Contains("| joules of") && Contains("energy: not measured: no meter here"));
  CHECK_THAT(written(OutputFormat::kCsv, report), !Contains("tern_edp_js"));
  CHECK_THAT(written(OutputFormat::kSql, report), !Contains("tern_energy ("));
  const json row = json::parse(written(OutputFormat::kJson, report))[0]["tern"];
  CHECK(row["energy"] == json{{"status", "not_measured"}, {"why", "no meter here"}});
  CHECK_FALSE(row.contains("energy_ratio_to_baseline"));
}

TEST_CASE("phases of a test have names") {
  CHECK(phase_name({.prompt = 4}) == "prefill");
  CHECK(phase_name({.gen = 4}) == "decode");
  CHECK(phase_name({.prompt = 4, .gen = 4}) == "prefill + decode");
}

TEST_CASE("what metering took is a share of the windows, where every trial says it") {
  Record record = metered();
  CHECK_FALSE(row_of(recorded_report(record), "ternary", "tg32").energy.meter_share.has_value());
  double window_s = 0;
  for (json& trial : record.document()["trials"]) {
    trial["energy"]["meter_cpu_s"] = trial["subject"] == "ternary" ? 0.003 : 0.001;
    if (trial["subject"] == "ternary" && trial["test"] == "tg32") {
      window_s += trial["energy"]["window_s"].get<double>();
    }
  }
  const Record again = Record::parse(record.text());
  CHECK(again.trials()[0].energy.meter_cpu_s == record.trials()[0].energy.meter_cpu_s);
  const BenchReport report = recorded_report(again);
  const double share = row_of(report, "ternary", "tg32").energy.meter_share.value();
  CHECK(share == Approx(3 * 0.003 / window_s));
  CHECK_THAT(written(OutputFormat::kMarkdown, report),
             Contains("meter: its own work took at most"));
  const json rows = json::parse(written(OutputFormat::kJson, report));
  CHECK(rows[2]["tern"]["energy"]["meter_cpu_share"].get<double>() == Approx(share));

  record.document()["trials"][0]["energy"].erase("meter_cpu_s");
  const BenchReport some = recorded_report(record);
  CHECK_FALSE(some.rows.front().energy.meter_share.has_value());
  CHECK(row_of(some, "ternary", "tg32").energy.meter_share.has_value());
  CHECK(meter_share_text({}).empty());
  CHECK(meter_share_text({0.00012}) == "meter: its own work took 0.012 % of one processor");
  CHECK(meter_share_text({0.0001, 0.002}) ==
        "meter: its own work took at most 0.2 % of one processor");
}

TEST_CASE("the meter's cost is a line of the table and a part of every row") {
  Record record = metered();
  const auto trial = [&](const char* side, int pair, std::int64_t elapsed_ns) {
    Trial made = record.trials().front();
    made.subject = side;
    made.test = "tg32";
    made.pair = pair;
    made.elapsed_ns = elapsed_ns;
    return made;
  };
  MeterCost cost{"", "ternary", "tg32", {}};
  for (int pair = 0; pair < 3; ++pair) {
    cost.trials.push_back(trial(kMeterOn, pair, 1'002'000'000 + pair * 1'000'000));
    cost.trials.push_back(trial(kMeterOff, pair, 1'000'000'000));
  }
  record_meter_cost(record, cost);
  const BenchReport report = recorded_report(Record::parse(record.text()));
  CHECK(report.rows.size() == recorded_report(metered()).rows.size());
  CHECK_THAT(written(OutputFormat::kMarkdown, report),
             Contains("the meter costs 0.30 % of decode"));
  const json part = json::parse(written(OutputFormat::kJson, report))[0]["tern"]["meter_cost"];
  CHECK(part["share_of_speed"].get<double>() == Approx(0.003).epsilon(0.01));
  CHECK(part["low"].get<double>() < part["share_of_speed"].get<double>());
  CHECK(part["high"].get<double>() > part["share_of_speed"].get<double>());
  CHECK(part["pairs"] == 3);
}

TEST_CASE("a metered report is as it was agreed") {
  const BenchReport report = recorded_report(metered());
  check_golden("bench_energy.md", written(OutputFormat::kMarkdown, report));
  check_golden("bench_energy.csv", rounded(written(OutputFormat::kCsv, report)));
  check_golden("bench_energy.json", rounded(written(OutputFormat::kJson, report)));
}

}  // namespace
}  // namespace tern::harness
