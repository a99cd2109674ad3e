#include "harness/report/compare_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "harness/error.h"
#include "harness/record_text.h"

namespace tern::harness {
namespace {

using nlohmann::ordered_json;

std::string bound(double value, Scale scale) {
  if (!std::isfinite(value)) return "n/m";
  return scale == Scale::kShare ? fmt::format("{:+.4f}", value) : fmt::format("{:.4f}", value);
}

std::string interval(const ComparisonRow& row) {
  const Change change = change_of(row);
  if (!std::isfinite(row.estimate.low) || !std::isfinite(row.estimate.high)) return "n/m";
  return bound(change.low, row.scale) + " to " + bound(change.high, row.scale);
}

std::string sample_size(const EffectEstimate& estimate, Pairing pairing) {
  return pairing == Pairing::kUnpaired ? fmt::format("{} + {}", estimate.n_a, estimate.n_b)
                                       : fmt::format("{}", estimate.n_a);
}

std::string mean(const ComparisonRow& row, double value) {
  return row.metric == Metric::kSpeed ? fmt::format("{:.2f}", value) : fmt::format("{:.4f}", value);
}

std::string mde(const ComparisonRow& row) {
  if (!std::isfinite(row.mde)) return "n/m";
  return row.scale == Scale::kShare ? fmt::format("{:.2f} points", row.mde * 100)
                                    : fmt::format("{:.2f} %", row.mde * 100);
}

std::vector<std::string> cells(const ComparisonRow& row) {
  return {std::string(name(row.metric)) + ", " + unit(row.metric),
          row.test,
          mean(row, row.a),
          mean(row, row.b),
          bound(change_of(row).value, row.scale),
          interval(row),
          fmt::format("{:.4f}", row.estimate.p),
          sample_size(row.estimate, row.pairing),
          mde(row),
          name(row.judgement.verdict)};
}

std::string side_line(const char* which, const SideFacts& side) {
  if (side.command) {
    return fmt::format("- {}: {}; record {}, {}\n", which, side.description, side.record_id,
                       side.created);
  }
  std::string text =
      fmt::format("- {}: {}, {}, kernels {}, {} threads", which, side.subject,
                  side.model.empty() ? side.description : side.model, side.kernels, side.threads);
  if (!side.derived_from.empty()) text += fmt::format(" (made from {})", side.derived_from);
  return text + fmt::format("; record {}, {}\n", side.record_id, side.created);
}

std::string level_words(const Comparison& comparison) {
  std::string words;
  for (const ComparisonRow& row : comparison.rows) {
    const std::string level = fmt::format("{:.4g} %", row.level * 100);
    if (words.find(level) == std::string::npos) words += (words.empty() ? "" : " or ") + level;
  }
  return words;
}

std::string table(const Comparison& comparison) {
  std::vector<std::vector<std::string>> rows;
  for (const ComparisonRow& row : comparison.rows) rows.push_back(cells(row));
  return markdown_table({"metric", "test", "A", "B", "A / B", level_words(comparison) + " interval",
                         "p", "n", "detectable loss", "verdict"},
                        rows);
}

bool has_accuracy(const Comparison& comparison) {
  return std::any_of(comparison.rows.begin(), comparison.rows.end(),
                     [](const ComparisonRow& row) { return row.scale == Scale::kShare; });
}

// What the interval of joules holds beside the scatter of the repetitions.
std::string meter_line(const ComparisonRow& row) {
  const Change alone = repetitions_of(row);
  const std::string samples =
      std::isfinite(alone.low)
          ? fmt::format("; of the repetitions alone it is {} to {}", bound(alone.low, row.scale),
                        bound(alone.high, row.scale))
          : "";
  return fmt::format(
      "- {} {}: the interval holds what the meter may be wrong by, {:.2g} % of the ratio (u_cmp, "
      "one standard uncertainty; the gain of its sensor, common to A and B, is not in it){}\n",
      name(row.metric), row.test, row.estimate.meter_u * 100, samples);
}

std::string footnotes(const Comparison& comparison) {
  std::string text;
  for (const ComparisonRow& row : comparison.rows) {
    text += fmt::format("- {} {}: {}: {}\n", name(row.metric), row.test,
                        name(row.judgement.verdict), row.judgement.reason);
    if (row.estimate.meter_u > 0) text += meter_line(row);
  }
  for (const MissingMetric& missing : comparison.missing) {
    text += fmt::format("- {}: not compared: {}\n", name(missing.metric), missing.why);
  }
  for (const std::string& note : comparison.notes) text += "- note: " + note + "\n";
  if (has_accuracy(comparison)) text += "- accuracy: A - B instead of A / B\n";
  return text + fmt::format("- alpha {:.3g}, minimum effect {:.3g} %\n", comparison.rule.alpha,
                            comparison.rule.min_effect * 100);
}

// A number, or null: JSON has no infinity, and an absent figure is no zero.
ordered_json figure(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json();
}

ordered_json to_json(const SideFacts& side) {
  ordered_json object = {{"record", side.record_id},        {"created", side.created},
                         {"subject", side.subject},         {"model", side.model},
                         {"description", side.description}, {"kernels", side.kernels},
                         {"threads", side.threads},         {"build_commit", side.commit},
                         {"machine", side.machine_hash}};
  return object;
}

// The interval that was judged; where the meter's uncertainty is in it, that and the interval of
// the repetitions alone as well.
ordered_json change_json(const ComparisonRow& row) {
  const Change change = change_of(row);
  ordered_json object = {{"value", figure(change.value)},
                         {"low", figure(change.low)},
                         {"high", figure(change.high)},
                         {"level", row.level}};
  if (row.estimate.meter_u > 0) {
    const Change alone = repetitions_of(row);
    object["u_cmp"] = row.estimate.meter_u;
    object["low_repetitions"] = figure(alone.low);
    object["high_repetitions"] = figure(alone.high);
  }
  return object;
}

ordered_json to_json(const ComparisonRow& row) {
  return {{"metric", name(row.metric)},
          {"unit", unit(row.metric)},
          {"test", row.test},
          {"pairing", name(row.pairing)},
          {"a", row.a},
          {"b", row.b},
          {row.scale == Scale::kShare ? "difference" : "ratio", change_json(row)},
          {"p", row.estimate.p},
          {"n_a", row.estimate.n_a},
          {"n_b", row.estimate.n_b},
          {"minimum_detectable_effect", figure(row.mde)},
          {"verdict", name(row.judgement.verdict)},
          {"reason", row.judgement.reason}};
}

ordered_json to_json(const Comparison& comparison) {
  ordered_json object = {{"schema", "tern.comparison/1"},
                         {"verdict", name(comparison.verdict.verdict)},
                         {"reason", comparison.verdict.reason},
                         {"alpha", comparison.rule.alpha},
                         {"min_effect", comparison.rule.min_effect}};
  if (!comparison.a.record_id.empty()) {
    object["a"] = to_json(comparison.a);
    object["b"] = to_json(comparison.b);
  }
  object["rows"] = ordered_json::array();
  for (const ComparisonRow& row : comparison.rows) object["rows"].push_back(to_json(row));
  object["missing"] = ordered_json::array();
  for (const MissingMetric& missing : comparison.missing) {
    object["missing"].push_back({{"metric", name(missing.metric)}, {"why", missing.why}});
  }
  object["notes"] = comparison.notes;
  return object;
}

std::string dump(const ordered_json& value, int indent) {
  return value.dump(indent, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

// RFC 4180
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

std::string csv_number(double value) {
  return std::isfinite(value) ? fmt::format("{:.9g}", value) : "";
}

std::string comparison_csv(const Comparison& comparison) {
  std::string text =
      "metric,unit,test,pairing,a,b,change,value,low,high,level,p,n_a,n_b,minimum_detectable_"
      "effect,"
      "verdict,reason,u_cmp\n";
  for (const ComparisonRow& row : comparison.rows) {
    const Change change = change_of(row);
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", name(row.metric),
                        unit(row.metric), csv_field(row.test), name(row.pairing), csv_number(row.a),
                        csv_number(row.b), row.scale == Scale::kShare ? "difference" : "ratio",
                        csv_number(change.value), csv_number(change.low), csv_number(change.high),
                        csv_number(row.level), csv_number(row.estimate.p), row.estimate.n_a,
                        row.estimate.n_b, csv_number(row.mde), name(row.judgement.verdict),
                        csv_field(row.judgement.reason),
                        row.estimate.meter_u > 0 ? csv_number(row.estimate.meter_u) : "");
  }
  return text;
}

}  // namespace

std::string comparison_markdown(const Comparison& comparison, bool gate) {
  std::string text;
  if (gate) {
    text = fmt::format("**tern gate: {}**: {}\n\n", name(comparison.verdict.verdict),
                       comparison.verdict.reason);
  }
  if (comparison.a.record_id.empty()) return text;
  std::string body = side_line("A", comparison.a) + side_line("B", comparison.b);
  if (!comparison.rows.empty()) body += "\n" + table(comparison);
  return text + body + "\n" + footnotes(comparison);
}

std::string comparison_text(const Comparison& comparison, OutputFormat format, bool gate) {
  switch (format) {
    case OutputFormat::kMarkdown:
      return comparison_markdown(comparison, gate);
    case OutputFormat::kCsv:
      return comparison_csv(comparison);
    case OutputFormat::kJson:
      return dump(to_json(comparison), 2);
    case OutputFormat::kJsonl: {
      std::string text;
      for (const ComparisonRow& row : comparison.rows) text += dump(to_json(row), -1);
      return text;
    }
    case OutputFormat::kSql:
      break;
  }
  throw Error("-o: expected md, csv, json or jsonl, got \"sql\"");
}

}  // namespace tern::harness
