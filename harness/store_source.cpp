#include "harness/store_source.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "harness/record_store.h"
#include "harness/recorded_report.h"
#include "harness/recorded_scores.h"

namespace tern::harness {
namespace {

using nlohmann::json;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json ratio_json(const PairedRatio& ratio) {
  json part = {{"value", ratio.value}, {"pairs", ratio.pairs}};
  if (ratio.has_interval) {
    part["low"] = ratio.low;
    part["high"] = ratio.high;
  } else {
    part["why_no_interval"] = "one pair gives no interval";
  }
  return part;
}

json energy_json(const EnergyFigures& energy) {
  json part = {{"status", energy::name(energy.status)}};
  if (!energy.why.empty()) part["why"] = energy.why;
  if (energy.status == energy::Status::kNotMeasured) return part;
  part["source"] = energy.source;
  part["coverage"] = energy.coverage;
  part["trials"] = energy.trials;
  part["j_per_token"] = energy.j_per_token;
  part["w"] = energy.watts;
  return part;
}

json row_json(const BenchRow& row) {
  json part = {{"subject", row.subject.name},
               {"trials", row.ts.n},
               {"tokens_per_s", row.ts.mean},
               {"energy", energy_json(row.energy)}};
  if (row.ts.n > 1) part["tokens_per_s_stddev"] = row.ts.stddev;
  if (row.bytes_per_token > 0) {
    part["bytes_per_token"] = row.bytes_per_token;
    part["gb_per_s"] = row.bytes_per_s * 1e-9;
    if (row.roofline_share) part["roofline_share"] = *row.roofline_share;
  }
  if (!row.logits_hash.empty()) part["logits_hash"] = row.logits_hash;
  return part;
}

json comparison_json(const BenchComparison& comparison) {
  json part = {{"first", comparison.first},
               {"second", comparison.second},
               {"tokens_per_s", ratio_json(comparison.speed)}};
  if (comparison.energy.ratio) {
    part["j_per_token"] = ratio_json(comparison.energy.ratio->joules);
    part["energy_saved"] = comparison.energy.ratio->saving();
  } else {
    part["why_no_j_per_token"] = comparison.energy.why;
  }
  return part;
}

// The first one is the comparison of a test; those with further baselines stand beside it.
void add_comparison(json& test, json comparison) {
  if (!test.contains("comparison")) {
    test["comparison"] = std::move(comparison);
  } else {
    test["further_comparisons"].push_back(std::move(comparison));
  }
}

// One object per test: its rows, and the comparison or the reason there is none.
json tests_json(const BenchReport& report) {
  json tests = json::array();
  for (const BenchRow& row : report.rows) {
    const std::string name = row.test.name();
    auto test = std::find_if(tests.begin(), tests.end(),
                             [&](const json& known) { return known.at("test") == name; });
    if (test == tests.end()) {
      tests.push_back({{"test", name}, {"rows", json::array()}});
      test = tests.end() - 1;
    }
    (*test)["rows"].push_back(row_json(row));
    if (!row.why_no_ratio.empty()) (*test)["why_no_comparison"] = row.why_no_ratio;
  }
  for (const BenchComparison& comparison : report.comparisons) {
    for (json& test : tests) {
      if (test.at("test") == comparison.test) add_comparison(test, comparison_json(comparison));
    }
  }
  return tests;
}

json trial_energy_json(const Trial& trial) {
  const energy::EnergyDelta& energy = trial.energy;
  json part = {{"status", energy::name(energy.status)}};
  if (!energy.why.empty()) part["why"] = energy.why;
  if (!energy.source.empty()) part["source"] = energy.source;
  if (!energy.coverage.empty()) part["coverage"] = energy.coverage;
  if (energy.status == energy::Status::kNotMeasured) return part;
  part["joules"] = energy.total_joules;
  if (trial.tokens > 0) {
    part["j_per_token"] = energy.total_joules / static_cast<double>(trial.tokens);
  }
  return part;
}

json trials_json(const Record& record) {
  json trials = json::array();
  for (const Trial& trial : record.trials()) {
    json part = {{"order_index", trial.order_index},
                 {"pair", trial.pair},
                 {"subject", trial.subject},
                 {"test", trial.test},
                 {"start_unix_ms", trial.start_unix_ns / 1'000'000},
                 {"elapsed_ns", trial.elapsed_ns},
                 {"tokens", trial.tokens},
                 {"energy", trial_energy_json(trial)}};
    if (trial.command.has_value()) {
      part["command"] = to_json(*trial.command);
    } else if (trial.elapsed_ns > 0) {
      part["tokens_per_s"] =
          static_cast<double>(trial.tokens) * 1e9 / static_cast<double>(trial.elapsed_ns);
    }
    if (!trial.logits_hash.empty()) part["logits_hash"] = trial.logits_hash;
    trials.push_back(std::move(part));
  }
  return trials;
}

json summary_json(const RecordSummary& summary) {
  return {{"id", summary.id},         {"created", summary.created}, {"status", summary.status},
          {"models", summary.models}, {"tests", summary.tests},     {"machine", summary.machine},
          {"trials", summary.trials}};
}

// What the list shows of a run's comparisons.
json list_ratios(const Record& record) {
  json ratios = json::array();
  for (const BenchComparison& comparison : recorded_report(record).comparisons) {
    ratios.push_back({{"test", comparison.test},
                      {"first", comparison.first},
                      {"second", comparison.second},
                      {"tokens_per_s", ratio_json(comparison.speed)}});
  }
  return ratios;
}

bool has_store(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

std::string run_json(const Record& record) {
  const json& document = record.document();
  const BenchReport report = recorded_report(record);
  json run = {{"tests", tests_json(report)},
              {"notes", report.notes},
              {"trials", trials_json(record)},
              {"evals", recorded_scores(record)}};
  for (const char* key : {"id", "created", "finished", "status", "reasons", "tern", "machine",
                          "environment", "protocol", "subjects"}) {
    if (document.contains(key)) run[key] = document[key];
  }
  return dump(run);
}

std::string StoreSource::runs(std::size_t offset) {
  json page = {{"total", 0}, {"offset", offset}, {"runs", json::array()}};
  if (!has_store(store_)) return dump(page);
  const RecordStore store(store_);
  const std::vector<RecordSummary> summaries = store.list();
  page["total"] = summaries.size();
  const std::size_t end = std::min(summaries.size(), offset + kRunsPerPage);
  for (std::size_t i = std::min(offset, end); i < end; ++i) {
    json run = summary_json(summaries[i]);
    run["ratios"] = ratios_of(store, summaries[i]);
    page["runs"].push_back(std::move(run));
  }
  return dump(page);
}

json StoreSource::ratios_of(const RecordStore& store, const RecordSummary& summary) {
  const std::string key = summary.id + " " + summary.status + " " + std::to_string(summary.trials);
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = ratios_.find(key); known != ratios_.end())
      return json::parse(known->second);
  }
  const std::optional<Record> record = store.load(summary.id);
  if (!record) return json::array();
  json ratios = list_ratios(*record);
  if (summary.status != "running") {
    const std::lock_guard lock(mutex_);
    ratios_[key] = dump(ratios);
  }
  return ratios;
}

std::optional<std::string> StoreSource::run(const std::string& id) {
  if (!has_store(store_)) return std::nullopt;
  const std::optional<Record> record = RecordStore(store_).find(id);
  if (!record) return std::nullopt;
  return run_json(*record);
}

}  // namespace tern::harness
