#include "harness/report/fields.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "harness/report/energy_table.h"

namespace tern::harness {

namespace {

constexpr std::int64_t kZero = 0;

Field figure(const char* name, std::optional<double> value) {
  return {name, value.value_or(0.0), !value.has_value()};
}

std::optional<double> when(bool there, double value) {
  return there ? std::optional<double>(value) : std::nullopt;
}

}  // namespace

std::string utc_time(std::int64_t unix_ns) {
  const time_t time = static_cast<time_t>(unix_ns / 1'000'000'000);
  tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// Names, types and order of llama-bench's printers (version 0104b151c56d). What concerns GPUs and
// options that this program lacks has the value llama-bench gives on a CPU-only build.
std::vector<Field> llama_bench_fields(const BenchRow& row) {
  const RunFacts& run = row.run;
  return {
      {"build_commit", run.build_commit},
      {"build_number", std::int64_t{run.build_number}},
      {"cpu_info", run.cpu},
      {"gpu_info", std::string()},
      {"backends", std::string("CPU")},
      {"model_filename", row.subject.model},
      {"model_type", row.subject.description},
      {"model_size", row.subject.bytes},
      {"model_n_params", row.subject.parameters},
      {"n_batch", std::int64_t{run.batch}},
      {"n_ubatch", std::int64_t{run.ubatch}},
      {"n_threads", std::int64_t{run.threads}},
      {"cpu_mask", std::string("0x0")},
      {"cpu_strict", false},
      {"poll", std::int64_t{run.poll}},
      {"type_k", run.type_k},
      {"type_v", run.type_v},
      {"n_gpu_layers", kZero},
      {"n_cpu_moe", kZero},
      {"split_mode", std::string("layer")},
      {"main_gpu", kZero},
      {"no_kv_offload", false},
      {"flash_attn", kZero},
      {"devices", std::string("auto")},
      {"tensor_split", std::string("0.00")},
      {"tensor_buft_overrides", std::string("none")},
      {"load_mode", std::string(row.subject.mapped ? "mmap" : "none")},
      {"embeddings", false},
      {"no_op_offload", kZero},
      {"no_host", false},
      {"fit_target", kZero},
      {"fit_min_ctx", kZero},
      {"n_prompt", std::int64_t{row.test.prompt}},
      {"n_gen", std::int64_t{row.test.gen}},
      {"n_depth", std::int64_t{row.test.depth}},
      {"test_time", utc_time(row.start_unix_ns)},
      {"avg_ns", static_cast<std::int64_t>(std::llround(row.ns.mean))},
      {"stddev_ns", static_cast<std::int64_t>(std::llround(row.ns.stddev))},
      {"avg_ts", row.ts.mean},
      {"stddev_ts", row.ts.stddev},
  };
}

std::vector<Field> ratio_fields(const std::optional<PairedRatio>& value, const std::string& why) {
  const PairedRatio ratio = value.value_or(PairedRatio{});
  return {
      figure("tern_ratio", when(value.has_value(), ratio.value)),
      figure("tern_ratio_low", when(ratio.has_interval, ratio.low)),
      figure("tern_ratio_high", when(ratio.has_interval, ratio.high)),
      {"tern_ratio_pairs", std::int64_t{ratio.pairs}},
      {"tern_ratio_why", why},
  };
}

std::vector<Field> tern_fields(const BenchRow& row) {
  const bool energy = row.energy.status != energy::Status::kNotMeasured;
  std::vector<Field> fields = {
      {"tern_record", row.run.record_id},
      {"tern_subject", row.subject.name},
      {"tern_kernels", row.run.kernels},
      {"tern_sequences", std::int64_t{row.test.sequences}},
      figure("tern_cpu_ms_per_token",
             when(row.cpu_ns_per_token.has_value(), row.cpu_ns_per_token.value_or(0) * 1e-6)),
      {"tern_bytes_per_token", row.bytes_per_token},
      {"tern_gb_per_s", row.bytes_per_s * 1e-9},
      figure("tern_roofline_share", row.roofline_share),
      figure("tern_compute_share", when(row.roofline.why.empty(), row.roofline.compute_share)),
      figure("tern_ceiling_ts", when(row.roofline.why.empty(), row.roofline.ceiling_ts)),
      {"tern_energy_status", std::string(energy::name(row.energy.status))},
      {"tern_energy_why", row.energy.why},
      figure("tern_j_per_token", when(energy, row.energy.j_per_token)),
      figure("tern_w", when(energy, row.energy.watts)),
      figure("tern_tokens_per_j", when(energy, row.energy.tokens_per_j)),
      {"tern_logits_hash", row.logits_hash},
  };
  for (Field& field : ratio_fields(row.ratio, row.why_no_ratio)) fields.push_back(std::move(field));
  return fields;
}

bool has_energy_fields(const BenchReport& report) {
  return std::any_of(report.rows.begin(), report.rows.end(), [](const BenchRow& row) {
    return row.energy.status == energy::Status::kMeasured;
  });
}

std::vector<Field> energy_fields(const BenchRow& row) {
  const EnergyFigures& energy = row.energy;
  const bool measured = energy.status == energy::Status::kMeasured;
  const MeterUncertainty u = energy.u.value_or(MeterUncertainty{});
  const bool u_known = measured && energy.u.has_value();
  const bool idle = measured && energy.dynamic.has_value();
  const DynamicFigures dynamic = energy.dynamic.value_or(DynamicFigures{});
  const bool ratio_known = row.energy_ratio.ratio.has_value();
  const EnergyRatio ratio = row.energy_ratio.ratio.value_or(EnergyRatio{});
  const bool interval = ratio_known && ratio.joules.has_interval;
  return {
      {"tern_phase", phase_name(row.test)},
      {"tern_energy_coverage", measured ? energy.coverage : std::string()},
      figure("tern_edp_js", when(measured, energy.edp_js)),
      figure("tern_u_abs_j_per_token", when(u_known, u.absolute)),
      figure("tern_u_cmp_j_per_token", when(u_known, u.comparative)),
      figure("tern_idle_w", when(idle, dynamic.idle_w)),
      figure("tern_dynamic_j_per_token",
             when(idle && !dynamic.below_resolution, dynamic.j_per_token)),
      figure("tern_dynamic_u_abs", when(idle, dynamic.u.absolute)),
      figure("tern_dynamic_u_cmp", when(idle, dynamic.u.comparative)),
      {"tern_dynamic_why",
       dynamic.below_resolution ? std::string("below resolution") : energy.why_no_dynamic},
      figure("tern_energy_ratio", when(ratio_known, ratio.joules.value)),
      figure("tern_energy_ratio_low", when(interval, ratio.joules.low)),
      figure("tern_energy_ratio_high", when(interval, ratio.joules.high)),
      figure("tern_saving", when(ratio_known, ratio.saving())),
      figure("tern_saving_low", when(interval, 1 - ratio.joules.high)),
      figure("tern_saving_high", when(interval, 1 - ratio.joules.low)),
      figure("tern_power_ratio", when(ratio_known, ratio.power.value)),
      figure("tern_power_ratio_low", when(interval, ratio.power.low)),
      figure("tern_power_ratio_high", when(interval, ratio.power.high)),
      {"tern_energy_ratio_why",
       row.energy_ratio.unequal_coverage ? row.energy_ratio.why : std::string()},
  };
}

}  // namespace tern::harness
