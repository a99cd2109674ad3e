// Rows of joules: which trials may be held against each other, and what the meter may be wrong by.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "harness/comparison_rows.h"
#include "harness/report/energy_figures.h"

namespace tern::harness {
namespace {

using Trials = std::vector<const Trial*>;

std::string why_no_joules(const Trial& trial) {
  const energy::EnergyDelta& energy = trial.energy;
  if (energy.status == energy::Status::kNotMeasured) return energy.why;
  if (energy.status == energy::Status::kAttributed) {
    return fmt::format("it is attributed by {}, not measured", energy.source);
  }
  return energy.total_joules > 0 ? "" : fmt::format("{} counted no joules", energy.source);
}

// Leaves those with joules: of pairs, both. Returns the first reason for one that fell out.
std::string keep_metered(MatchedTrials& trials, bool paired) {
  std::string why;
  const auto metered = [&](const Trial* trial) {
    const std::string reason = why_no_joules(*trial);
    if (why.empty()) why = reason;
    return reason.empty();
  };
  MatchedTrials kept;
  if (paired) {
    for (std::size_t i = 0; i < trials.a.size(); ++i) {
      if (!metered(trials.a[i]) || !metered(trials.b[i])) continue;
      kept.a.push_back(trials.a[i]);
      kept.b.push_back(trials.b[i]);
    }
  } else {
    std::copy_if(trials.a.begin(), trials.a.end(), std::back_inserter(kept.a), metered);
    std::copy_if(trials.b.begin(), trials.b.end(), std::back_inserter(kept.b), metered);
  }
  trials = std::move(kept);
  return why;
}

// Joules of other parts of the machine are other joules.
std::string unequal_coverage(const MatchedTrials& trials) {
  const auto covers = [](const Trial* trial) {
    return trial->energy.source + ", " + trial->energy.coverage;
  };
  const std::string expected = covers(trials.a.front());
  for (const Trials* side : {&trials.a, &trials.b}) {
    for (const Trial* trial : *side) {
      if (covers(trial) == expected) continue;
      return fmt::format("unequal coverage: one trial was metered by {}, another by {}", expected,
                         covers(trial));
    }
  }
  return "";
}

std::vector<double> values(const Trials& trials, double (*joules)(const Trial&)) {
  std::vector<double> result;
  for (const Trial* trial : trials) result.push_back(joules(*trial));
  return result;
}

void add_once(std::vector<std::string>& notes, std::string note) {
  if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(std::move(note));
}

// One sentence for all tests that lack joules for the same reason.
void add_missing(const RowSamples& row, const std::string& why, Gathered& gathered) {
  for (MissingMetric& missing : gathered.missing) {
    if (missing.metric != row.metric || !missing.why.ends_with(": " + why)) continue;
    missing.why.insert(missing.why.size() - why.size() - 2, ", " + row.test);
    return;
  }
  gathered.missing.push_back({row.metric, row.test + ": " + why});
}

// What the reader must know of the meter beside the ratio.
void note_meter(const MatchedTrials& trials, bool u_known, std::vector<std::string>& notes) {
  if (!u_known) {
    add_once(notes,
             "energy: not every trial has the uncertainty of its meter (u_cmp), so the intervals "
             "are those of the repetitions alone");
  }
  for (const Trials* side : {&trials.a, &trials.b}) {
    for (const Trial* trial : *side) {
      if (trial->energy.disagreement.empty()) continue;
      add_once(notes,
               "energy: two meters of the same counters disagreed: " + trial->energy.disagreement);
    }
  }
}

}  // namespace

void gather_energy(RowSamples row, MatchedTrials trials, double (*joules)(const Trial&),
                   Gathered& gathered) {
  const std::size_t before = trials.a.size() + trials.b.size();
  const std::string why = keep_metered(trials, row.pairing == Pairing::kPaired);
  if (trials.a.empty() || trials.b.empty()) return add_missing(row, why, gathered);
  const std::string unequal = unequal_coverage(trials);
  if (!unequal.empty()) return add_missing(row, unequal, gathered);
  if (trials.a.size() + trials.b.size() < before) {
    gathered.notes.push_back(
        fmt::format("the energy of {} was not measured in every repetition: {}", row.test, why));
  }
  row.a = values(trials.a, joules);
  row.b = values(trials.b, joules);
  row.meter_u = ratio_u_cmp(trials.a, trials.b);
  note_meter(trials, row.meter_u.has_value(), gathered.notes);
  gathered.rows.push_back(std::move(row));
}

}  // namespace tern::harness
