#include "harness/report/bench_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace tern::harness {

namespace {

constexpr const char* kNoPair = "no pair was finished";

double seconds(const Trial& trial) { return static_cast<double>(trial.elapsed_ns) * 1e-9; }
double speed(const Trial& trial) { return static_cast<double>(trial.tokens) / seconds(trial); }
double joules_per_token(const Trial& trial) {
  return trial.energy.total_joules / static_cast<double>(trial.tokens);
}

// Zero joules is a counter that did not move: there is nothing to divide by.
bool has_energy(const Trial& trial) {
  return trial.energy.status != energy::Status::kNotMeasured && trial.energy.total_joules > 0;
}

std::string why_no_energy(const Trial& trial) {
  if (trial.energy.status == energy::Status::kNotMeasured) return trial.energy.why;
  return fmt::format("{} counted no joules in the {:.3f} s of {}", trial.energy.source,
                     seconds(trial), trial.test);
}

std::vector<const Trial*> select(const std::vector<Trial>& trials, const std::string& subject,
                                 const std::string& test) {
  std::vector<const Trial*> chosen;
  for (const Trial& trial : trials) {
    if (trial.subject == subject && trial.test == test) chosen.push_back(&trial);
  }
  return chosen;
}

EnergyFigures energy_figures(const std::vector<const Trial*>& trials) {
  EnergyFigures figures;
  double joules = 0, window_s = 0;
  std::int64_t tokens = 0;
  for (const Trial* trial : trials) {
    if (!has_energy(*trial)) {
      if (figures.why.empty()) figures.why = why_no_energy(*trial);
      continue;
    }
    // One attributed trial makes the figure attributed.
    if (figures.trials == 0 || trial->energy.status == energy::Status::kAttributed) {
      figures.status = trial->energy.status;
    }
    figures.source = trial->energy.source;
    figures.coverage = trial->energy.coverage;
    joules += trial->energy.total_joules;
    window_s += trial->energy.window_s > 0 ? trial->energy.window_s : seconds(*trial);
    tokens += trial->tokens;
    ++figures.trials;
  }
  if (figures.trials == 0) return figures;
  figures.j_per_token = joules / static_cast<double>(tokens);
  figures.tokens_per_j = static_cast<double>(tokens) / joules;
  figures.watts = joules / window_s;
  return figures;
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
  row.energy = energy_figures(trials);
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

// Only a meter's joules are compared: attributed energy is somebody's share, not a measurement.
void compare_energy(BenchComparison& comparison, const Pairs& pairs) {
  Pairs metered;
  for (std::size_t i = 0; i < pairs.first.size(); ++i) {
    bool both = true;
    for (const Trial* trial : {pairs.first[i], pairs.second[i]}) {
      const bool measured = has_energy(*trial) && trial->energy.status == energy::Status::kMeasured;
      if (!measured && comparison.why_no_joules.empty()) {
        comparison.why_no_joules = has_energy(*trial) ? "the energy is attributed by " +
                                                            trial->energy.source + ", not measured"
                                                      : why_no_energy(*trial);
      }
      both = both && measured;
    }
    if (!both) continue;
    metered.first.push_back(pairs.first[i]);
    metered.second.push_back(pairs.second[i]);
  }
  if (metered.first.empty()) return;
  comparison.joules = paired_ratio(values(metered.first, joules_per_token),
                                   values(metered.second, joules_per_token));
  // The identity R = (P_a/P_b)/S holds over the same pairs, so the speed ratio is taken over them
  // again.
  const PairedRatio speeds =
      paired_ratio(values(metered.first, speed), values(metered.second, speed));
  comparison.power_ratio = comparison.joules->value * speeds.value;
  comparison.saving = 1 - comparison.power_ratio / speeds.value;
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
  compare_energy(comparison, pairs);
  return comparison;
}

// ratios: of the first subject over each of the others, in their order.
void set_ratios(BenchRow& row, const std::vector<RatioTo>& ratios) {
  if (!ratios.empty()) row.ratio = ratios.front().value;
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
        ratios.push_back({subjects[s].name, std::nullopt, kNoPair});
        continue;
      }
      report.comparisons.push_back(make_comparison(run, subjects[0], subjects[s], test, pairs));
      ratios.push_back({subjects[s].name, report.comparisons.back().speed, ""});
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

}  // namespace tern::harness
