#include "harness/report/bench_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace tern::harness {

namespace {

constexpr const char* kNoPair = "no pair was finished";

double seconds(const Trial& trial) { return static_cast<double>(trial.elapsed_ns) * 1e-9; }
double speed(const Trial& trial) { return static_cast<double>(trial.tokens) / seconds(trial); }

std::vector<const Trial*> select(const std::vector<Trial>& trials, const std::string& subject,
                                 const std::string& test) {
  std::vector<const Trial*> chosen;
  for (const Trial& trial : trials) {
    if (trial.subject == subject && trial.test == test) chosen.push_back(&trial);
  }
  return chosen;
}

BenchRow make_row(const RunFacts& run, const SubjectFacts& subject, const TestCase& test,
                  const std::vector<const Trial*>& trials) {
  BenchRow row;
  row.subject = subject;
  row.run = run;
  row.test = test;
  row.start_unix_ns = trials.front()->start_unix_ns;
  row.logits_hash = trials.front()->logits_hash;
  std::vector<double> ns;
  Work work;
  double cpu_ns = 0;
  bool cpu_known = true;
  for (const Trial* trial : trials) {
    row.samples_ns.push_back(trial->elapsed_ns);
    row.samples_ts.push_back(speed(*trial));
    ns.push_back(static_cast<double>(trial->elapsed_ns));
    cpu_ns += static_cast<double>(trial->cpu_ns);
    cpu_known = cpu_known && trial->cpu_ns > 0;
    work.bytes += static_cast<double>(trial->bytes_moved);
    work.int8_ops += static_cast<double>(trial->operations.int8);
    work.fp32_ops += static_cast<double>(trial->operations.fp32);
    work.bf16_ops += static_cast<double>(trial->operations.bf16);
    work.seconds += seconds(*trial);
    work.tokens += static_cast<double>(trial->tokens);
  }
  row.ns = summarize(ns);
  row.ts = summarize(row.samples_ts);
  if (cpu_known) row.cpu_ns_per_token = cpu_ns / work.tokens;
  row.bytes_per_token = work.bytes / work.tokens;
  row.bytes_per_s = work.bytes / work.seconds;
  if (run.limits.read_bytes_per_s > 0) {
    row.roofline_share = row.bytes_per_s / run.limits.read_bytes_per_s;
  }
  row.roofline = roofline(run.limits, work);
  row.energy = energy_figures(trials, run.idle);
  row.tokens = work.tokens;
  row.seconds = work.seconds;
  std::vector<std::vector<energy::CounterValue>> windows;
  for (const Trial* trial : trials) windows.push_back(trial->counters);
  row.counters = energy::sum(windows);
  row.counter_figures = energy::figures(row.counters);
  return row;
}

// The trials of both subjects that belong to one pair, in order of pairs.
struct Pairs {
  std::vector<const Trial*> first, second;
};

Pairs match(const std::vector<const Trial*>& first, const std::vector<const Trial*>& second) {
  Pairs pairs;
  for (const Trial* a : first) {
    const auto b = std::find_if(second.begin(), second.end(),
                                [&](const Trial* trial) { return trial->pair == a->pair; });
    if (b == second.end()) continue;
    pairs.first.push_back(a);
    pairs.second.push_back(*b);
  }
  return pairs;
}

template <class F>
std::vector<double> values(const std::vector<const Trial*>& trials, F&& f) {
  std::vector<double> result;
  for (const Trial* trial : trials) result.push_back(f(*trial));
  return result;
}

BenchComparison make_comparison(const RunFacts& run, const SubjectFacts& first,
                                const SubjectFacts& second, const TestCase& test,
                                const Pairs& pairs) {
  BenchComparison comparison;
  comparison.run = run;
  comparison.model = first.description;
  comparison.test = test.name();
  comparison.first = first.name;
  comparison.second = second.name;
  comparison.second_model = second.description;
  comparison.speed = paired_ratio(values(pairs.first, speed), values(pairs.second, speed));
  comparison.energy = compare_energy(pairs.first, pairs.second);
  return comparison;
}

// ratios: of the first subject over each of the others, in their order.
void set_ratios(BenchRow& row, const std::vector<RatioTo>& ratios) {
  if (!ratios.empty()) {
    row.ratio = ratios.front().value;
    row.energy_ratio = ratios.front().energy;
  }
  if (!row.ratio.has_value()) {
    row.why_no_ratio = row.run.no_ratio.empty() ? kNoPair : row.run.no_ratio;
  }
  if (ratios.size() > 1) row.ratios = ratios;
}

}  // namespace

void add_trials(BenchReport& report, const RunFacts& run, const std::vector<SubjectFacts>& subjects,
                const std::vector<TestCase>& tests, const std::vector<Trial>& trials) {
  for (const TestCase& test : tests) {
    std::vector<std::vector<const Trial*>> chosen;  // by subject
    for (const SubjectFacts& subject : subjects) {
      chosen.push_back(select(trials, subject.name, test.name()));
    }
    std::vector<RatioTo> ratios;
    for (std::size_t s = 1; s < subjects.size(); ++s) {
      const Pairs pairs = match(chosen[0], chosen[s]);
      if (pairs.first.empty()) {
        ratios.push_back({subjects[s].name, std::nullopt, kNoPair, {}});
        continue;
      }
      report.comparisons.push_back(make_comparison(run, subjects[0], subjects[s], test, pairs));
      const BenchComparison& made = report.comparisons.back();
      ratios.push_back({subjects[s].name, made.speed, "", made.energy});
    }
    for (std::size_t s = 0; s < subjects.size(); ++s) {
      if (chosen[s].empty()) continue;
      BenchRow row = make_row(run, subjects[s], test, chosen[s]);
      if (s == 0) set_ratios(row, ratios);
      report.rows.push_back(std::move(row));
    }
  }
}

void add_phases(BenchReport& report, const std::string& record_id,
                const std::vector<PhaseSample>& samples) {
  for (BenchRow& row : report.rows) {
    if (row.run.record_id != record_id) continue;
    for (const PhaseSample& sample : samples) {
      if (sample.subject == row.subject.name && sample.test == row.test.name()) row.phases = sample;
    }
  }
}

void add_estimates(BenchReport& report, const std::string& record_id,
                   const std::vector<Estimate>& estimates) {
  for (BenchRow& row : report.rows) {
    if (row.run.record_id != record_id) continue;
    for (const Estimate& estimate : estimates) {
      const bool mine = estimate.subject == row.subject.name && estimate.test == row.test.name();
      if (mine) row.energy_estimate = estimate;
    }
  }
}

}  // namespace tern::harness
