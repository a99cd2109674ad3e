#include <nlohmann/json.hpp>
#include <ostream>

#include "harness/record.h"
#include "harness/report/energy_table.h"
#include "harness/report/fields.h"
#include "harness/report/writer.h"

namespace tern::harness {

namespace {

using Json = nlohmann::ordered_json;  // llama-bench's order of fields

// Beside the total only.
Json dynamic_json(const EnergyFigures& energy) {
  if (!energy.dynamic) return {{"why", energy.why_no_dynamic}};
  const DynamicFigures& dynamic = *energy.dynamic;
  Json json = {{"idle_w", dynamic.idle_w}};
  if (dynamic.below_resolution) {
    json["why"] = "below resolution: smaller than three of its absolute uncertainties";
  } else {
    json["j_per_token"] = dynamic.j_per_token;
  }
  json["u_abs"] = dynamic.u.absolute;
  json["u_cmp"] = dynamic.u.comparative;
  return json;
}

Json energy_json(const BenchRow& row) {
  const EnergyFigures& energy = row.energy;
  Json json;
  json["status"] = energy::name(energy.status);
  if (!energy.why.empty()) json["why"] = energy.why;
  if (energy.status == energy::Status::kNotMeasured) return json;
  json["source"] = energy.source;
  json["coverage"] = energy.coverage;
  json["trials"] = energy.trials;
  json["j_per_token"] = energy.j_per_token;
  json["w"] = energy.watts;
  json["tokens_per_j"] = energy.tokens_per_j;
  json["edp_js"] = energy.edp_js;
  json["phase"] = phase_name(row.test);
  if (energy.u) {
    json["u_abs"] = energy.u->absolute;
    json["u_cmp"] = energy.u->comparative;
    if (!row.run.meter_assumptions.empty()) json["u_assumes"] = row.run.meter_assumptions;
  }
  if (energy.meter_share) json["meter_cpu_share"] = *energy.meter_share;
  if (row.run.idle) json["dynamic"] = dynamic_json(energy);
  return json;
}

// Counts per token over all trials, what they say together, and which were extrapolated.
Json counters_json(const BenchRow& row) {
  Json json = Json::object();
  const energy::CounterFigures& figures = row.counter_figures;
  if (figures.ipc.has_value()) json["ipc"] = *figures.ipc;
  if (figures.frequency_hz.has_value()) json["ghz"] = *figures.frequency_hz * 1e-9;
  json["scaled"] = figures.scaled;
  for (const energy::CounterValue& counter : row.counters) {
    Json& entry = json["counts"][counter.name];
    if (counter.measured) {
      entry = {{"per_token", counter.value / row.tokens}, {"running_share", counter.running_share}};
    } else {
      entry = {{"why", counter.why}};
    }
  }
  return json;
}

Json fitness_json(const RecordedFitness& fitness) {
  Json json;
  json["fit"] = fitness.reasons.empty();
  json["reasons"] = fitness.reasons;
  return json;
}

// Adds the ratio, or the reason there is none, to `json`.
void add_ratio(Json& json, const std::optional<PairedRatio>& ratio, const std::string& why) {
  if (!ratio.has_value()) {
    json["why"] = why;
    return;
  }
  json["value"] = ratio->value;
  if (ratio->has_interval) {
    json["low"] = ratio->low;
    json["high"] = ratio->high;
  } else {
    json["why"] = "one pair gives no interval";
  }
  json["pairs"] = ratio->pairs;
}

// Nothing where no joules were measured: "energy" has the reason.
void add_energy_ratio(Json& json, const EnergyComparison& energy) {
  if (energy.unequal_coverage) json["energy_ratio_to_baseline"] = {{"why", energy.why}};
  if (!energy.ratio) return;
  const EnergyRatio& ratio = *energy.ratio;
  Json part = Json::object();
  add_ratio(part, ratio.joules, "");
  part["saving"] = ratio.saving();
  if (ratio.joules.has_interval) {
    part["saving_low"] = 1 - ratio.joules.high;
    part["saving_high"] = 1 - ratio.joules.low;
  }
  part["identity"] = "saving = 1 - power_ratio / speed_ratio";
  part["power_ratio"] = ratio.power.value;
  if (ratio.power.has_interval) {
    part["power_ratio_low"] = ratio.power.low;
    part["power_ratio_high"] = ratio.power.high;
  }
  part["speed_ratio"] = ratio.speed.value;
  part["only_speedup"] = ratio.only_speedup();
  if (ratio.u_cmp) {
    part["u_cmp"] = *ratio.u_cmp;
    if (ratio.joules.has_interval) {
      const PairedRatio wide = widened(ratio.joules, *ratio.u_cmp);
      part["low_with_meter"] = wide.low;
      part["high_with_meter"] = wide.high;
    }
  }
  json["energy_ratio_to_baseline"] = std::move(part);
}

// ratio_to_baseline is the ratio to the first baseline, whatever others there are.
void add_ratios(Json& json, const BenchRow& row) {
  if (row.ratio.has_value() || !row.why_no_ratio.empty()) {
    json["ratio_to_baseline"] = Json::object();
    add_ratio(json["ratio_to_baseline"], row.ratio, row.why_no_ratio);
  }
  add_energy_ratio(json, row.energy_ratio);
  for (const RatioTo& ratio : row.ratios) {
    Json entry = {{"subject", ratio.subject}};
    add_ratio(entry, ratio.value, ratio.why);
    add_energy_ratio(entry, ratio.energy);
    json["ratios_to_baselines"].push_back(std::move(entry));
  }
}

// The share of the speed that the meter takes away, not a share of time.
Json meter_cost_json(const MeterCost& cost) {
  Json json = Json::object();
  const std::optional<PairedRatio> ratio = meter_speed_ratio(cost);
  if (!ratio) return {{"why", meter_cost_notes(cost).front()}};
  json["subject"] = cost.subject;
  json["test"] = cost.test;
  json["share_of_speed"] = 1 - ratio->value;
  if (ratio->has_interval) {
    json["low"] = 1 - ratio->high;
    json["high"] = 1 - ratio->low;
  }
  json["pairs"] = ratio->pairs;
  json["notes"] = meter_cost_notes(cost);
  return json;
}

// Milliseconds per token and share of the pass, in the order of a forward pass.
Json phases_json(const PhaseSample& sample) {
  Json json = Json::object();
  const auto add = [&](const std::string& name, std::int64_t ns) {
    const auto time_ns = static_cast<double>(ns);
    json[name] = {{"ms_per_token", time_ns * 1e-6 / static_cast<double>(sample.tokens)},
                  {"share", time_ns / static_cast<double>(sample.elapsed_ns)}};
  };
  for (const auto& [name, ns] : sample.ns) add(name, ns);
  add("rest", sample.rest_ns());
  return json;
}

Json limits_json(const MachineLimits& limits) {
  Json json;
  json["threads"] = limits.threads;
  if (limits.read_bytes_per_s > 0) json["read_gb_per_s"] = limits.read_bytes_per_s * 1e-9;
  if (limits.int8_ops_per_s > 0) json["int8_gops_per_s"] = limits.int8_ops_per_s * 1e-9;
  if (limits.fp32_ops_per_s > 0) json["fp32_gflops_per_s"] = limits.fp32_ops_per_s * 1e-9;
  if (limits.bf16_ops_per_s > 0) json["bf16_gflops_per_s"] = limits.bf16_ops_per_s * 1e-9;
  if (!limits.why.empty()) json["why"] = limits.why;
  return json;
}

Json roofline_json(const BenchRow& row) {
  Json json;
  const Roofline& place = row.roofline;
  if (!place.why.empty()) {
    json["why"] = place.why;
  } else {
    json["ops_per_byte"] = place.ops_per_byte;
    json["gops_per_s"] = place.ops_per_s * 1e-9;
    json["memory_share"] = place.memory_share;
    json["compute_share"] = place.compute_share;
    json["bound_by"] = place.memory_bound ? "memory" : "arithmetic";
    json["ceiling_ts"] = place.ceiling_ts;
  }
  for (const MachineLimits& limits : row.run.limits_by_threads) {
    json["limits"].push_back(limits_json(limits));
  }
  return json;
}

// Never beside the figures of "energy".
Json estimate_json(const Estimate& estimate) {
  const double per_token = 1 / static_cast<double>(estimate.tokens);
  Json json = {{"bytes_j_per_token", estimate.bytes_j * per_token}};
  if (estimate.why_no_arithmetic.empty()) {
    json["linear_j_per_token"] = estimate.arithmetic.linear_j * per_token;
    json["attention_j_per_token"] = estimate.arithmetic.attention_j * per_token;
  } else {
    json["why_no_arithmetic"] = estimate.why_no_arithmetic;
  }
  json["caveats"] = estimate_caveats();
  return json;
}

Json tern_json(const BenchRow& row) {
  Json json;
  json["schema"] = kRecordSchema;
  json["record"] = row.run.record_id;
  json["subject"] = row.subject.name;
  json["kernels"] = row.run.kernels;
  json["sequences"] = row.test.sequences;
  if (row.subject.ternary_bits > 0) json["ternary_bits"] = row.subject.ternary_bits;
  if (row.subject.greedy_head) json["greedy_head"] = true;
  if (row.subject.skip_zeros) {
    json["skip_zeros"]["up_rows_read"] = row.subject.up_rows_read;
    json["skip_zeros"]["down_columns_read"] = row.subject.down_columns_read;
  }
  json["energy"] = energy_json(row);
  if (row.run.meter_cost) json["meter_cost"] = meter_cost_json(*row.run.meter_cost);
  if (!row.counters.empty()) json["counters"] = counters_json(row);
  if (row.run.fitness.judged) json["environment"] = fitness_json(row.run.fitness);
  if (row.cpu_ns_per_token.has_value()) json["cpu_ms_per_token"] = *row.cpu_ns_per_token * 1e-6;
  json["bytes_per_token"] = row.bytes_per_token;
  json["gb_per_s"] = row.bytes_per_s * 1e-9;
  if (row.roofline_share.has_value()) json["roofline_share"] = *row.roofline_share;
  if (row.roofline.why.empty()) json["compute_share"] = row.roofline.compute_share;
  json["roofline"] = roofline_json(row);
  json["logits_hash"] = row.logits_hash;
  if (row.phases.has_value()) json["phases"] = phases_json(*row.phases);
  add_ratios(json, row);
  if (row.energy_estimate) json["estimate"] = estimate_json(*row.energy_estimate);
  return json;
}

Json row_json(const BenchRow& row) {
  Json json;
  for (const Field& field : llama_bench_fields(row)) {
    std::visit([&](const auto& value) { json[field.name] = value; }, field.value);
  }
  json["samples_ns"] = row.samples_ns;
  json["samples_ts"] = row.samples_ts;
  json["tern"] = tern_json(row);
  return json;
}

// Text from files and from the system need not be UTF-8; JSON must be.
std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

class JsonWriter final : public ReportWriter {
 public:
  explicit JsonWriter(bool one_row_per_line) : one_row_per_line_(one_row_per_line) {}

  void write(const BenchReport& report, std::ostream& out) const override {
    Json rows = Json::array();
    for (const BenchRow& row : report.rows) rows.push_back(row_json(row));
    if (!one_row_per_line_) {
      out << dump(rows, 2) << '\n';
      return;
    }
    for (const Json& row : rows) out << dump(row, -1) << '\n';
  }

 private:
  bool one_row_per_line_;
};

}  // namespace

std::unique_ptr<ReportWriter> make_json_writer(bool one_row_per_line) {
  return std::make_unique<JsonWriter>(one_row_per_line);
}

}  // namespace tern::harness
