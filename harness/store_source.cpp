#include "harness/store_source.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "harness/idle.h"
#include "harness/record_store.h"
#include "harness/recorded_report.h"
#include "harness/recorded_scores.h"
#include "harness/report/energy_table.h"
#include "harness/report/measure_report.h"

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

// One standard uncertainty of the meter, J/token: with the gain of its sensor and without.
void add_u(json& part, const MeterUncertainty& u) {
  part["u_abs"] = u.absolute;
  part["u_cmp"] = u.comparative;
}

json dynamic_json(const DynamicFigures& dynamic) {
  json part = {{"idle_w", dynamic.idle_w}, {"below_resolution", dynamic.below_resolution}};
  if (!dynamic.below_resolution) part["j_per_token"] = dynamic.j_per_token;
  add_u(part, dynamic.u);
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
  part["tokens_per_j"] = energy.tokens_per_j;
  part["edp_js"] = energy.edp_js;
  if (energy.u) add_u(part, *energy.u);
  if (energy.dynamic) part["dynamic"] = dynamic_json(*energy.dynamic);
  if (!energy.why_no_dynamic.empty()) part["why_no_dynamic"] = energy.why_no_dynamic;
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

// saving = 1 - power / speed, over the pairs that have joules, and what the meter may be wrong by.
json identity_json(const EnergyRatio& ratio) {
  json part = {{"power", ratio_json(ratio.power)},
               {"speed", ratio_json(ratio.speed)},
               {"only_speedup", ratio.only_speedup()}};
  const std::string text = what_saves(ratio);
  if (!text.empty()) part["text"] = text;
  return part;
}

void add_energy_ratio(json& part, const EnergyRatio& ratio) {
  part["j_per_token"] = ratio_json(ratio.joules);
  part["energy_saved"] = ratio.saving();
  part["identity"] = identity_json(ratio);
  if (!ratio.u_cmp) return;
  part["j_per_token"]["u_cmp"] = *ratio.u_cmp;
  if (!ratio.joules.has_interval) return;
  const PairedRatio wide = widened(ratio.joules, *ratio.u_cmp);
  part["j_per_token"]["low_with_meter"] = wide.low;
  part["j_per_token"]["high_with_meter"] = wide.high;
}

json comparison_json(const BenchComparison& comparison) {
  json part = {{"first", comparison.first},
               {"second", comparison.second},
               {"tokens_per_s", ratio_json(comparison.speed)}};
  if (comparison.energy.ratio) {
    add_energy_ratio(part, *comparison.energy.ratio);
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
      tests.push_back({{"test", name}, {"phase", phase_name(row.test)}, {"rows", json::array()}});
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
  if (!energy.disagreement.empty()) part["disagreement"] = energy.disagreement;
  if (energy.status == energy::Status::kNotMeasured) return part;
  part["joules"] = energy.total_joules;
  for (const auto& [key, value] : {std::pair("u_abs", &energy.u_abs_j),
                                   {"u_cmp", &energy.u_cmp_j},
                                   {"idle_w", &energy.idle_w}}) {
    if (value->has_value()) part[key] = **value;
  }
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

// Idle power around the trials: what dynamic energy leaves out.
json idle_json(const energy::IdleBaseline& idle) {
  json part = json::object();
  if (!idle.why_not.empty()) {
    part["why"] = idle.why_not;
    return part;
  }
  part = {{"mean_w", idle.mean_w},
          {"stddev_w", idle.stddev_w},
          {"windows", idle.windows},
          {"source", idle.source},
          {"coverage", idle.coverage}};
  if (idle.drift_w) part["drift_w"] = *idle.drift_w;
  return part;
}

// Every domain that a trial read, in the order they first appear: whether it counts, and why not.
json domains_json(const Record& record) {
  json domains = json::array();
  for (const Trial& trial : record.trials()) {
    for (const energy::DomainEnergy& domain : trial.energy.domains) {
      const bool known = std::any_of(domains.begin(), domains.end(), [&](const json& one) {
        return one.at("name") == domain.name && one.at("included") == domain.included;
      });
      if (known) continue;
      json part = {{"name", domain.name}, {"included", domain.included}};
      if (!domain.included) part["why"] = domain.why;
      domains.push_back(std::move(part));
    }
  }
  return domains;
}

// What the joules of the run rest on.
json meter_json(const Record& record) {
  json part = {{"domains", domains_json(record)}, {"assumptions", recorded_assumptions(record)}};
  if (const auto idle = recorded_idle(record)) part["idle"] = idle_json(*idle);
  return part;
}

json figure_json(const MeasuredFigure& figure) {
  const Summary summary = summarize(figure.values);
  json part = {{"name", figure.name}, {"n", summary.n}};
  if (summary.n == 0) return part;
  part["mean"] = summary.mean;
  if (summary.n < 2) return part;
  const double half = half_interval(figure.values);
  part["stddev"] = summary.stddev;
  part["low"] = summary.mean - half;
  part["high"] = summary.mean + half;
  return part;
}

// Of a run of tern measure: what it printed, and nothing of any other run.
json command_json(const Record& record) {
  if (!has_commands(record)) return nullptr;
  json part = {{"figures", json::array()}, {"notes", measure_notes(record)}};
  for (const MeasuredFigure& figure : measured_figures(record)) {
    part["figures"].push_back(figure_json(figure));
  }
  return part;
}

json summary_json(const RecordSummary& summary) {
  return {{"id", summary.id},         {"created", summary.created}, {"status", summary.status},
          {"models", summary.models}, {"tests", summary.tests},     {"machine", summary.machine},
          {"trials", summary.trials}};
}

// What the list shows of a run: its comparisons, or what its command took.
json list_figures(const Record& record) {
  json ratios = json::array();
  for (const BenchComparison& comparison : recorded_report(record).comparisons) {
    json ratio = {{"test", comparison.test},
                  {"first", comparison.first},
                  {"second", comparison.second},
                  {"tokens_per_s", ratio_json(comparison.speed)}};
    if (comparison.energy.ratio) ratio["j_per_token"] = ratio_json(comparison.energy.ratio->joules);
    ratios.push_back(std::move(ratio));
  }
  json figures = json::object();
  figures["ratios"] = std::move(ratios);
  if (const json command = command_json(record); !command.is_null()) {
    figures["command"] = command.at("figures");
  }
  return figures;
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
              {"meter", meter_json(record)},
              {"evals", recorded_scores(record)}};
  if (json command = command_json(record); !command.is_null()) run["command"] = std::move(command);
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
    run.update(figures_of(store, summaries[i]));
    page["runs"].push_back(std::move(run));
  }
  return dump(page);
}

json StoreSource::figures_of(const RecordStore& store, const RecordSummary& summary) {
  const std::string key = summary.id + " " + summary.status + " " + std::to_string(summary.trials);
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = figures_.find(key); known != figures_.end())
      return json::parse(known->second);
  }
  const std::optional<Record> record = store.load(summary.id);
  if (!record) {
    json none = json::object();
    none["ratios"] = json::array();
    return none;
  }
  json figures = list_figures(*record);
  if (summary.status != "running") {
    const std::lock_guard lock(mutex_);
    figures_[key] = dump(figures);
  }
  return figures;
}

std::optional<std::string> StoreSource::run(const std::string& id) {
  if (!has_store(store_)) return std::nullopt;
  const std::optional<Record> record = RecordStore(store_).find(id);
  if (!record) return std::nullopt;
  return run_json(*record);
}

}  // namespace tern::harness
