#include "harness/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/comparison_rows.h"
#include "harness/error.h"
#include "harness/statistics.h"

namespace tern::harness {
namespace {

using nlohmann::json;

constexpr const char* kUnpaired = "unpaired: drift between the runs is not controlled";

std::vector<double> logs(const std::vector<double>& values) {
  std::vector<double> result;
  for (const double value : values) result.push_back(std::log(value));
  return result;
}

// Joules and seconds.
bool less_is_better(Metric metric) noexcept {
  return metric != Metric::kSpeed && metric != Metric::kAccuracy;
}

EffectEstimate estimate_of(const RowSamples& samples, double level) {
  if (samples.pairing == Pairing::kItems) {
    return mcnemar_effect(samples.items, samples.only_a, samples.only_b, level);
  }
  // Positive is better for A: fewer joules, more tokens.
  const bool less = less_is_better(samples.metric);
  const std::vector<double> a = logs(less ? samples.b : samples.a);
  const std::vector<double> b = logs(less ? samples.a : samples.b);
  EffectEstimate estimate = samples.pairing == Pairing::kPaired ? paired_effect(a, b, level)
                                                                : unpaired_effect(a, b, level);
  if (less) std::swap(estimate.n_a, estimate.n_b);
  estimate.meter_u = samples.meter_u.value_or(0);
  return estimate;
}

ComparisonRow make_row(const RowSamples& samples, const GateRule& rule, const std::string& unfit,
                       bool allow_unpaired) {
  ComparisonRow row;
  row.metric = samples.metric;
  row.test = samples.test;
  row.pairing = samples.pairing;
  row.level = interval_level(rule);
  row.estimate = estimate_of(samples, row.level);
  if (samples.pairing == Pairing::kItems) {
    row.scale = Scale::kShare;
    row.a = static_cast<double>(samples.right_a) / samples.items;
    row.b = static_cast<double>(samples.right_b) / samples.items;
  } else {
    row.a = summarize(samples.a).mean;
    row.b = summarize(samples.b).mean;
  }
  row.mde = minimum_detectable_effect(row.estimate, row.scale, rule);
  if (!unfit.empty()) {
    row.judgement = {Verdict::kInconclusive, unfit};
  } else if (row.pairing == Pairing::kUnpaired && !allow_unpaired) {
    row.judgement = {Verdict::kInconclusive, kUnpaired};
  } else if (!samples.weakness.empty()) {
    row.judgement = {Verdict::kInconclusive, samples.weakness};
  } else {
    row.judgement = judge(row.estimate, row.scale, rule);
  }
  return row;
}

Change change_within(const ComparisonRow& row, const Interval& e) noexcept {
  const double effect = row.estimate.effect;
  if (row.scale == Scale::kShare) return {effect, e.low, e.high};
  const double sign = less_is_better(row.metric) ? -1 : 1;
  const double value = std::exp(sign * effect);
  if (!std::isfinite(e.low)) return {value, e.low, e.high};  // there is no interval
  if (sign > 0) return {value, std::exp(e.low), std::exp(e.high)};
  return {value, std::exp(-e.high), std::exp(-e.low)};
}

// Differences that do not forbid a comparison, but that are part of what is compared.
void add_differences(const SideFacts& a, const SideFacts& b, std::vector<std::string>& notes) {
  const auto note = [&](const char* what, const auto& x, const auto& y) {
    if (x != y) notes.push_back(fmt::format("{} differ: {} in A, {} in B", what, x, y));
  };
  note("builds", a.commit, b.commit);
  note("kernels", a.kernels, b.kernels);
  note("threads", a.threads, b.threads);
  if (a.ternary_bits > 0 && b.ternary_bits > 0) {
    note("bits of a ternary weight", a.ternary_bits, b.ternary_bits);
  }
  const auto head = [](const SideFacts& side) {
    return side.greedy_head ? "searched" : "complete";
  };
  note("output heads in decoding", std::string_view(head(a)), std::string_view(head(b)));
  const auto zeros = [](const SideFacts& side) { return side.skip_zeros ? "skipped" : "read"; };
  note("zeros of squared ReLU", std::string_view(zeros(a)), std::string_view(zeros(b)));
  note("batch sizes", a.batch, b.batch);
  note("ubatch sizes", a.ubatch, b.ubatch);
  note("types of the K cache", a.type_k, b.type_k);
  note("types of the V cache", a.type_v, b.type_v);
}

void add_build_note(const Side& side, const char* which, std::vector<std::string>& notes) {
  const json& build = side.record->document().at("tern");
  const auto optimized = build.find("optimized");
  if (optimized == build.end() || !optimized->is_boolean() || optimized->get<bool>()) return;
  notes.push_back(
      fmt::format("{} was measured with a debug build: its speeds mean nothing", which));
}

void add_notes(const Side& a, const Side& b, Comparison& comparison) {
  std::vector<std::string>& notes = comparison.notes;
  for (const Side* side : {&a, &b}) {
    if (!side->note.empty()) notes.push_back(side->note);
  }
  const auto unpaired = [](const ComparisonRow& row) { return row.pairing == Pairing::kUnpaired; };
  if (std::any_of(comparison.rows.begin(), comparison.rows.end(), unpaired)) {
    notes.push_back(kUnpaired);
  }
  add_differences(comparison.a, comparison.b, notes);
  if (comparison.a.command) return;  // how tern was built is nothing to a command
  add_build_note(a, "A", notes);
  if (comparison.a.record_id != comparison.b.record_id) add_build_note(b, "B", notes);
}

Judgement overall(const Comparison& comparison, const ComparisonOptions& options) {
  std::vector<Judgement> judgements;
  for (const ComparisonRow& row : comparison.rows) {
    judgements.push_back(row.judgement);
    judgements.back().reason =
        fmt::format("{} {}: {}", name(row.metric), row.test, row.judgement.reason);
  }
  // One metric that was asked for and is missing leaves the question open.
  if (options.metrics.size() == 1 || comparison.rows.empty()) {
    for (const MissingMetric& missing : comparison.missing) {
      judgements.push_back(
          {Verdict::kInconclusive,
           fmt::format("{} was not compared: {}", name(missing.metric), missing.why)});
    }
  }
  Judgement verdict = combine(judgements);
  if (verdict.verdict == Verdict::kPass) {
    verdict.reason = fmt::format("no loss of {:.3g} % or more in any of {} rows",
                                 options.rule.min_effect * 100, comparison.rows.size());
  }
  return verdict;
}

}  // namespace

const char* name(Metric metric) noexcept {
  switch (metric) {
    case Metric::kSpeed:
      return "speed";
    case Metric::kEnergy:
    case Metric::kJoules:
      return "energy";
    case Metric::kWallTime:
      return "wall time";
    case Metric::kCpuTime:
      return "CPU time";
    case Metric::kAccuracy:
      break;
  }
  return "accuracy";
}

const char* unit(Metric metric) noexcept {
  switch (metric) {
    case Metric::kSpeed:
      return "t/s";
    case Metric::kEnergy:
      return "J/tok";
    case Metric::kJoules:
      return "J";
    case Metric::kWallTime:
    case Metric::kCpuTime:
      return "s";
    case Metric::kAccuracy:
      break;
  }
  return "share right";
}

Metric asked_as(Metric metric) noexcept {
  if (metric == Metric::kWallTime) return Metric::kSpeed;
  return metric == Metric::kJoules ? Metric::kEnergy : metric;
}

const char* name(Pairing pairing) noexcept {
  switch (pairing) {
    case Pairing::kPaired:
      return "paired";
    case Pairing::kUnpaired:
      return "unpaired";
    case Pairing::kItems:
      break;
  }
  return "items";
}

Change change_of(const ComparisonRow& row) {
  return change_within(row, widened(row.estimate, row.level));
}

Change repetitions_of(const ComparisonRow& row) noexcept {
  return change_within(row, {row.estimate.low, row.estimate.high});
}

Comparison compare(const Side& a, const Side& b, const ComparisonOptions& options) {
  Comparison comparison;
  comparison.a = side_facts(a);
  comparison.b = side_facts(b);
  comparison.rule = options.rule;
  if (comparison.a.record_id == comparison.b.record_id && a.subject == b.subject) {
    throw Error(fmt::format("A and B are both the subject \"{}\" of record {}: expected two sides",
                            a.subject, comparison.a.record_id));
  }
  const auto wanted = [&](Metric metric) {
    return std::find(options.metrics.begin(), options.metrics.end(), metric) !=
           options.metrics.end();
  };
  Gathered gathered;
  const bool commands = comparison.a.command || comparison.b.command;
  if (commands) {
    gather_commands(a, b, options.metrics, gathered);
  } else if (wanted(Metric::kSpeed) || wanted(Metric::kEnergy)) {
    gather_trials(a, b, options.metrics, gathered);
  }
  // Of a command nobody expects answers, unless they are all that was asked for.
  if (wanted(Metric::kAccuracy) && (!commands || options.metrics.size() == 1)) {
    gather_items(a, b, gathered);
  }

  std::string unfinished = why_unfinished(*a.record);
  if (unfinished.empty()) unfinished = why_unfinished(*b.record);
  std::string unfit = unfinished;
  for (const Side* side : {&a, &b}) {
    if (unfit.empty()) unfit = why_unfit(*side->record);
  }
  for (const Metric metric : options.metrics) {
    const auto rows = static_cast<std::size_t>(
        std::count_if(gathered.rows.begin(), gathered.rows.end(),
                      [&](const RowSamples& row) { return asked_as(row.metric) == metric; }));
    const GateRule rule = share_alpha(options.rule, rows);
    for (const RowSamples& samples : gathered.rows) {
      if (asked_as(samples.metric) != metric) continue;
      // Answers do not depend on how the machine felt.
      const std::string& weak = metric == Metric::kAccuracy ? unfinished : unfit;
      comparison.rows.push_back(make_row(samples, rule, weak, options.allow_unpaired));
    }
  }
  comparison.missing = std::move(gathered.missing);
  comparison.notes = std::move(gathered.notes);
  add_notes(a, b, comparison);
  comparison.verdict = overall(comparison, options);
  return comparison;
}

Comparison inconclusive(const ComparisonOptions& options, const std::string& reason) {
  Comparison comparison;
  comparison.rule = options.rule;
  comparison.verdict = {Verdict::kInconclusive, reason};
  return comparison;
}

}  // namespace tern::harness
