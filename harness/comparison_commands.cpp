// Rows of two commands that `tern measure` ran: what they took, over the repetitions that
// succeeded.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/comparison_rows.h"
#include "harness/error.h"

namespace tern::harness {
namespace {

using nlohmann::json;
using Trials = std::vector<const Trial*>;

constexpr double kSeconds = 1e-9;  // of a nanosecond

double wall_s(const Trial& trial) { return static_cast<double>(trial.elapsed_ns) * kSeconds; }
double cpu_s(const Trial& trial) {
  return static_cast<double>(trial.command->user_ns + trial.command->system_ns) * kSeconds;
}
double joules(const Trial& trial) { return trial.energy.total_joules; }

// A repetition that failed is no sample of what the command takes.
Trials repetitions(const std::vector<Trial>& trials, const Side& side) {
  Trials chosen;
  for (const Trial& trial : trials) {
    if (trial.subject != side.subject || !trial.command || !trial.command->why.empty()) continue;
    chosen.push_back(&trial);
  }
  return chosen;
}

// Adds the row, or says why it would have nothing to divide by.
void add_time(Metric metric, RowSamples row, const MatchedTrials& trials,
              double (*seconds)(const Trial&), Gathered& gathered) {
  row.metric = metric;
  for (const auto& [side, times] : {std::pair{&trials.a, &row.a}, {&trials.b, &row.b}}) {
    for (const Trial* trial : *side) times->push_back(seconds(*trial));
  }
  const auto none = [](double s) { return !(s > 0); };
  if (std::any_of(row.a.begin(), row.a.end(), none) ||
      std::any_of(row.b.begin(), row.b.end(), none)) {
    gathered.missing.push_back(
        {metric, fmt::format("{}: a repetition took less than the clock shows", row.test)});
    return;
  }
  gathered.rows.push_back(std::move(row));
}

std::string both_or_any(const std::string& a, const std::string& b) {
  return a == b ? a : "the command";
}

// What a record says of itself beside a status that is fine.
void note_reasons(const Side& side, const char* which, std::vector<std::string>& notes) {
  for (const json& reason : side.record->document().at("reasons")) {
    if (reason.is_string())
      notes.push_back(fmt::format("{}: {}", which, reason.get<std::string>()));
  }
}

void refuse_a_model(const SideFacts& a, const SideFacts& b) {
  if (a.command && b.command) return;
  const SideFacts& model = a.command ? b : a;
  throw Error(
      fmt::format("the records cannot be compared: {} is a command that tern measure ran, and the "
                  "subject \"{}\" of record {} is a model",
                  a.command ? "A" : "B", model.subject, model.record_id));
}

}  // namespace

void gather_commands(const Side& a, const Side& b, const std::vector<Metric>& metrics,
                     Gathered& gathered) {
  const SideFacts facts_a = side_facts(a), facts_b = side_facts(b);
  refuse_a_model(facts_a, facts_b);
  refuse_other_machine(facts_a, facts_b);
  const std::vector<Trial> trials_a = a.record->trials(), trials_b = b.record->trials();
  const MatchedTrials trials{repetitions(trials_a, a), repetitions(trials_b, b)};
  note_reasons(a, "A", gathered.notes);
  note_reasons(b, "B", gathered.notes);
  if (trials.a.empty() || trials.b.empty()) {
    const std::string why = fmt::format("record {} has no repetition that succeeded",
                                        trials.a.empty() ? facts_a.record_id : facts_b.record_id);
    for (const Metric metric : {Metric::kWallTime, Metric::kCpuTime, Metric::kJoules}) {
      if (asked_for(metrics, asked_as(metric))) gathered.missing.push_back({metric, why});
    }
    return;
  }
  RowSamples row;
  row.test = both_or_any(trials.a.front()->test, trials.b.front()->test);
  row.pairing = Pairing::kUnpaired;
  if (asked_for(metrics, Metric::kSpeed)) {
    add_time(Metric::kWallTime, row, trials, wall_s, gathered);
  }
  if (asked_for(metrics, Metric::kCpuTime)) {
    add_time(Metric::kCpuTime, row, trials, cpu_s, gathered);
  }
  if (!asked_for(metrics, Metric::kEnergy)) return;
  row.metric = Metric::kJoules;
  gather_energy(row, trials, joules, gathered);
}

}  // namespace tern::harness
