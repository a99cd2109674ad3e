#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <string_view>

#include "harness/bench_options.h"
#include "harness/report/counter_table.h"
#include "harness/report/energy_table.h"
#include "harness/report/estimate_table.h"
#include "harness/report/phase_table.h"
#include "harness/report/roofline_table.h"
#include "harness/report/subject_notes.h"
#include "harness/report/sweep_table.h"
#include "harness/report/table.h"
#include "harness/report/writer.h"

namespace tern::harness {

namespace {

constexpr const char* kNotMeasured = "n/m";

std::string size_text(std::int64_t bytes) {
  const double mib = static_cast<double>(bytes) / 1048576;
  return mib < 1024 ? fmt::format("{:.2f} MiB", mib) : fmt::format("{:.2f} GiB", mib / 1024);
}

std::string parameters_text(std::int64_t n) {
  const double millions = static_cast<double>(n) * 1e-6;
  return millions < 1000 ? fmt::format("{:.2f} M", millions)
                         : fmt::format("{:.2f} B", millions * 1e-3);
}

// A parameter that gets a column only when some row differs from llama-bench's default.
struct Parameter {
  const char* name;
  std::string (*text)(const RunFacts&);
  std::string default_text;
};

std::vector<Parameter> shown_parameters(const std::vector<BenchRow>& rows) {
  const std::vector<Parameter> all = {
      {"n_batch", [](const RunFacts& run) { return fmt::format("{}", run.batch); },
       fmt::format("{}", kDefaultBatch)},
      {"n_ubatch", [](const RunFacts& run) { return fmt::format("{}", run.ubatch); },
       fmt::format("{}", kDefaultUbatch)},
      {"poll", [](const RunFacts& run) { return fmt::format("{}", run.poll); },
       fmt::format("{}", kDefaultPoll)},
      {"type_k", [](const RunFacts& run) { return run.type_k; }, "f16"},
      {"type_v", [](const RunFacts& run) { return run.type_v; }, "f16"},
  };
  std::vector<Parameter> shown;
  for (const Parameter& parameter : all) {
    if (std::any_of(rows.begin(), rows.end(), [&](const BenchRow& row) {
          return parameter.text(row.run) != parameter.default_text;
        })) {
      shown.push_back(parameter);
    }
  }
  return shown;
}

bool metered(const EnergyFigures& energy) { return energy.status == energy::Status::kMeasured; }

std::string figure(bool there, double value, int decimals) {
  return there ? fmt::format("{:.{}f}", value, decimals) : kNotMeasured;
}

// Base columns are llama-bench's, in its order and widths; ours stand between `test` and `t/s`.
void write_rows(const std::vector<BenchRow>& rows, std::ostream& out) {
  const std::vector<Parameter> parameters = shown_parameters(rows);
  std::vector<Column> columns = {
      {"model", 30, true}, {"size", 10}, {"params", 10}, {"backend", 10, true}, {"threads", 7}};
  for (const Parameter& parameter : parameters) columns.push_back({parameter.name, 8});
  for (const char* title :
       {"test", "subject", "GB/s", "% of read bw", "% of peak", "J/tok", "W", "tok/J", "t/s"}) {
    columns.push_back({title, std::string_view(title) == "test" ? 15u : 6u});
  }
  columns.back().width = 20;
  Table table(std::move(columns));
  for (const BenchRow& row : rows) {
    const bool energy = metered(row.energy);
    std::vector<std::string> cells = {row.subject.description, size_text(row.subject.bytes),
                                      parameters_text(row.subject.parameters), "CPU",
                                      fmt::format("{}", row.run.threads)};
    for (const Parameter& parameter : parameters) cells.push_back(parameter.text(row.run));
    cells.insert(cells.end(),
                 {row.test.name(), row.subject.name, fmt::format("{:.2f}", row.bytes_per_s * 1e-9),
                  figure(row.roofline_share.has_value(), row.roofline_share.value_or(0) * 100, 1),
                  figure(row.roofline.why.empty(), row.roofline.compute_share * 100, 1),
                  figure(energy, row.energy.j_per_token, 4), figure(energy, row.energy.watts, 2),
                  figure(energy, row.energy.tokens_per_j, 3),
                  fmt::format("{:.2f} ± {:.2f}", row.ts.mean, row.ts.stddev)});
    table.add(std::move(cells));
  }
  table.write(out);
}

// A few wild repetitions make bounds that need no decimals.
std::string bound(double value) {
  return value < 10000 ? fmt::format("{:.3f}", value) : fmt::format("{:.2g}", value);
}

std::string interval(const PairedRatio& ratio) {
  return ratio.has_interval ? bound(ratio.low) + " to " + bound(ratio.high) : "n/m: one pair";
}

// "72.2 % (70.1 to 74.0) = 1 - 0.833 / 3.000", the interval being that of the ratio of joules.
std::string saving(const EnergyRatio& ratio) {
  const std::string range = ratio.joules.has_interval
                                ? fmt::format(" ({:.1f} to {:.1f})", 100 * (1 - ratio.joules.high),
                                              100 * (1 - ratio.joules.low))
                                : "";
  return fmt::format("{:.1f} %{} = 1 - {:.3f} / {:.3f}", 100 * ratio.saving(), range,
                     ratio.power.value, ratio.speed.value);
}

void add_once(std::vector<std::string>& lines, std::string line) {
  if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
}

// All of one baseline.
void write_comparisons(const std::vector<BenchComparison>& comparisons, std::ostream& out) {
  const std::string title =
      fmt::format("{} / {} t/s", comparisons.front().first, comparisons.front().second);
  const bool models = std::any_of(comparisons.begin(), comparisons.end(), [&](const auto& c) {
    return c.model != comparisons.front().model;
  });
  std::vector<Column> columns = {{"test", 15, true},
                                 {"threads", 7},
                                 {title},
                                 {"95 % interval", 16},
                                 {"pairs", 5},
                                 {"J/tok ratio"},
                                 {"95 % interval", 16},
                                 {"energy saved = 1 - (W ratio) / (t/s ratio)"}};
  if (models) columns.insert(columns.begin(), {"model", 30, true});
  Table table(std::move(columns));
  for (const BenchComparison& c : comparisons) {
    std::vector<std::string> cells = {c.test, fmt::format("{}", c.run.threads),
                                      fmt::format("{:.3f}", c.speed.value), interval(c.speed),
                                      fmt::format("{}", c.speed.pairs)};
    if (models) cells.insert(cells.begin(), c.model);
    if (c.energy.ratio) {
      const PairedRatio& joules = c.energy.ratio->joules;
      cells.insert(cells.end(), {fmt::format("{:.3f}", joules.value), interval(joules),
                                 saving(*c.energy.ratio)});
    } else {
      cells.insert(cells.end(), {kNotMeasured, kNotMeasured, kNotMeasured});
    }
    table.add(std::move(cells));
  }
  table.write(out);
}

// A table per baseline; where there are several, each is headed by its name and its models.
void write_baselines(const std::vector<BenchComparison>& comparisons, std::ostream& out) {
  std::vector<std::string> baselines;
  for (const BenchComparison& c : comparisons) add_once(baselines, c.second);
  for (const std::string& baseline : baselines) {
    std::vector<BenchComparison> mine;
    std::vector<std::string> models;
    for (const BenchComparison& c : comparisons) {
      if (c.second != baseline) continue;
      mine.push_back(c);
      add_once(models, c.second_model);
    }
    out << '\n';
    if (baselines.size() > 1) {
      out << fmt::format("against {} ({}):\n\n", baseline, fmt::join(models, "; "));
    }
    write_comparisons(mine, out);
  }
}

// Why figures are missing and what they rest on, each reason once.
std::vector<std::string> footnotes(const BenchReport& report) {
  std::vector<std::string> lines;
  for (const BenchRow& row : report.rows) {
    const EnergyFigures& energy = row.energy;
    if (energy.status == energy::Status::kAttributed) {
      add_once(lines, fmt::format("energy: not measured: {} only attributes a share ({})",
                                  energy.source, energy.coverage));
    } else if (!metered(energy)) {
      add_once(lines, "energy: not measured: " + energy.why);
    } else {
      add_once(lines, fmt::format("energy: measured by {} ({})", energy.source, energy.coverage));
      if (!energy.why.empty())
        add_once(lines, "energy: not measured in some repetitions: " + energy.why);
    }
  }
  std::vector<double> meter_shares;
  for (const BenchRow& row : report.rows) {
    if (row.energy.meter_share) meter_shares.push_back(*row.energy.meter_share);
  }
  if (!meter_shares.empty()) lines.push_back(meter_share_text(meter_shares));
  for (const BenchRow& row : report.rows) {
    if (!row.run.meter_cost) continue;
    for (std::string& note : meter_cost_notes(*row.run.meter_cost))
      add_once(lines, std::move(note));
  }
  for (std::string& note : energy_ratio_notes(report.comparisons)) {
    add_once(lines, std::move(note));
  }
  for (const BenchRow& row : report.rows) {
    if (!row.why_no_ratio.empty()) add_once(lines, "ratio: not measured: " + row.why_no_ratio);
  }
  for (const BenchRow& row : report.rows) {
    const MachineLimits& limits = row.run.limits;
    const char* plural = row.run.threads == 1 ? "" : "s";
    if (limits.read_bytes_per_s > 0) {
      add_once(lines, fmt::format("read bandwidth: {:.2f} GB/s with {} thread{}, measured",
                                  limits.read_bytes_per_s * 1e-9, row.run.threads, plural));
    }
    if (limits.int8_ops_per_s > 0 && limits.fp32_ops_per_s > 0) {
      const std::string bf16 = limits.bf16_ops_per_s > 0 ? fmt::format(", BF16 {:.1f} Gflop/s",
                                                                       limits.bf16_ops_per_s * 1e-9)
                                                         : "";
      add_once(lines,
               fmt::format("peak: int8 {:.1f} Gop/s, FP32 {:.1f} Gflop/s{} with {} thread{}, "
                           "measured",
                           limits.int8_ops_per_s * 1e-9, limits.fp32_ops_per_s * 1e-9, bf16,
                           row.run.threads, plural));
    }
  }
  for (const BenchRow& row : report.rows) {
    if (row.roofline_share.value_or(0) > 1) {
      add_once(lines,
               "more than 100 % of the read bandwidth: caches held a part of these bytes, or "
               "something else took bandwidth while it was measured");
    }
  }
  for (const BenchRow& row : report.rows) {
    add_once(lines, fmt::format("logits hash: {} {} ({}, kernels {})", row.subject.name,
                                row.logits_hash, row.subject.model, row.run.kernels));
  }
  for (const BenchRow& row : report.rows) {
    for (const std::string& note : subject_notes(row.subject)) add_once(lines, note);
  }
  for (const BenchRow& row : report.rows) {
    if (row.ratio.has_value() && row.test.prompt > 0 && !row.run.bf16_kernels.empty()) {
      add_once(lines, fmt::format("this CPU has instructions for BF16: --baseline f16,bf16 "
                                  "--kernels {} also compares with the faster prompt processing "
                                  "that they allow",
                                  row.run.bf16_kernels));
    }
  }
  for (const std::string& note : counter_notes(report.rows)) add_once(lines, note);
  for (const BenchRow& row : report.rows) {
    for (const std::string& reason : row.run.fitness.reasons) {
      add_once(lines, "unfit environment: " + reason);
    }
  }
  for (const std::string& note : report.notes) add_once(lines, "note: " + note);
  return lines;
}

class MarkdownWriter final : public ReportWriter {
 public:
  void write(const BenchReport& report, std::ostream& out) const override {
    if (report.rows.empty()) return;
    write_rows(report.rows, out);
    write_baselines(report.comparisons, out);
    write_energy(report.rows, out);
    write_sweeps(report.rows, out);
    write_roofline(report.rows, out);
    write_phases(report.rows, out);
    write_counters(report.rows, out);
    write_estimates(report.rows, out);
    out << '\n';
    for (const std::string& line : footnotes(report)) out << line << '\n';
    const RunFacts& run = report.rows.front().run;
    out << "\nbuild: " << run.build_commit << " (" << run.build_number << ")\n";
  }
};

}  // namespace

std::unique_ptr<ReportWriter> make_markdown_writer() { return std::make_unique<MarkdownWriter>(); }

}  // namespace tern::harness
