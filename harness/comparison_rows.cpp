#include "harness/comparison_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "harness/error.h"

namespace tern::harness {
namespace {

using nlohmann::json;
using Trials = std::vector<const Trial*>;

std::string text_at(const json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto field = object.find(key);
  return field != object.end() && field->is_string() ? field->get<std::string>() : "";
}

// ---- trials
// --------------------------------------------------------------------------------------

double tokens_per_s(const Trial& trial) {
  return static_cast<double>(trial.tokens) * 1e9 / static_cast<double>(trial.elapsed_ns);
}

double joules_per_token(const Trial& trial) {
  return trial.energy.total_joules / static_cast<double>(trial.tokens);
}

// The tests of one subject in the order they were run.
struct Tests {
  std::vector<std::string> names;
  std::map<std::string, Trials> trials;
};

Tests tests_of(const std::vector<Trial>& trials, const Side& side) {
  Tests tests;
  for (const Trial& trial : trials) {
    if (trial.subject != side.subject) continue;
    if (trial.elapsed_ns <= 0 || trial.tokens <= 0) {
      throw Error(
          fmt::format("record {}, trial {}: expected a positive time and number of tokens, got {} "
                      "ns and {} tokens",
                      side.record->id(), trial.order_index, trial.elapsed_ns, trial.tokens));
    }
    Trials& mine = tests.trials[trial.test];
    if (mine.empty()) tests.names.push_back(trial.test);
    mine.push_back(&trial);
  }
  return tests;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

MatchedTrials match_pairs(const Trials& a, const Trials& b) {
  MatchedTrials matched;
  for (const Trial* first : a) {
    const auto second =
        std::find_if(b.begin(), b.end(), [&](const Trial* t) { return t->pair == first->pair; });
    if (second == b.end()) continue;
    matched.a.push_back(first);
    matched.b.push_back(*second);
  }
  return matched;
}

// A machine that drifts makes whoever comes second differ. That cancels only where each came first
// as often as the other, and where the two of a pair are neighbours.
std::string order_fault(const MatchedTrials& pairs, int subjects) {
  int a_first = 0;
  const int n = static_cast<int>(pairs.a.size());
  for (int i = 0; i < n; ++i) {
    const int distance = pairs.b[i]->order_index - pairs.a[i]->order_index;
    a_first += distance > 0 ? 1 : 0;
    if (std::abs(distance) >= subjects) {
      return fmt::format(
          "the order of trials: {} other trials lie between the two of pair {}, so drift of the "
          "machine is not controlled",
          std::abs(distance) - 1, pairs.a[i]->pair + 1);
    }
  }
  if (std::abs(2 * a_first - n) <= 1) return "";
  return fmt::format(
      "the order of trials: A came first in {} of {} pairs, so drift of the machine is not "
      "controlled; ABBA order is needed",
      a_first, n);
}

std::string different_answers(const MatchedTrials& trials, const SideFacts& a, const SideFacts& b) {
  // Other arithmetic, other logits.
  if (a.type_k != b.type_k || a.type_v != b.type_v || !same_arithmetic(a, b)) return "";
  const std::string& first = trials.a.front()->logits_hash;
  const std::string& second = trials.b.front()->logits_hash;
  if (first.empty() || second.empty() || first == second) return "";
  return fmt::format(
      "the two sides computed different logits from the same model (hash {} and {}): one of them "
      "did other work",
      first, second);
}

template <class F>
std::vector<double> values(const Trials& trials, F&& f) {
  std::vector<double> result;
  for (const Trial* trial : trials) result.push_back(f(*trial));
  return result;
}

void gather_test(const std::string& test, MatchedTrials trials, const Side& a, const Side& b,
                 const std::vector<Metric>& metrics, Gathered& gathered) {
  RowSamples row;
  row.test = test;
  const bool one_study = a.record->id() == b.record->id();
  row.pairing = one_study ? Pairing::kPaired : Pairing::kUnpaired;
  if (one_study) {
    trials = match_pairs(trials.a, trials.b);
    if (trials.a.empty()) throw Error(fmt::format("{}: no pair of trials was finished", test));
    row.weakness =
        order_fault(trials, static_cast<int>(a.record->document().at("subjects").size()));
  } else {
    row.weakness = different_answers(trials, side_facts(a), side_facts(b));
  }
  if (asked_for(metrics, Metric::kSpeed)) {
    row.a = values(trials.a, tokens_per_s);
    row.b = values(trials.b, tokens_per_s);
    gathered.rows.push_back(row);
  }
  if (!asked_for(metrics, Metric::kEnergy)) return;
  row.metric = Metric::kEnergy;
  gather_energy(row, std::move(trials), joules_per_token, gathered);
}

// ---- evaluated items
// -----------------------------------------------------------------------------

// What every item of an evaluation was asked with.
std::string questions_of(const json& eval) {
  std::string text = fmt::format("version {}, {} shots", eval.value("version", json()).dump(),
                                 eval.value("num_fewshot", json()).dump());
  if (!eval.contains("data") || !eval["data"].is_array()) return text;
  for (const json& file : eval["data"]) {
    text += fmt::format(", {} {:.12}", text_at(file, "file"), text_at(file, "sha256"));
  }
  return text;
}

// "piqa acc (none)" -> document -> right
using Answers = std::map<std::string, std::map<std::int64_t, bool>>;

void read_item(const std::string& task, const json& item, Answers& answers) {
  if (!item.is_object() || !item.contains("doc_id") || !item.contains("results")) return;
  for (const json& result : item.at("results")) {
    if (!result.is_object() || !result.contains("metrics")) continue;
    for (const auto& [metric, value] : result.at("metrics").items()) {
      const std::string row = fmt::format("{} {} ({})", task, metric, text_at(result, "filter"));
      answers[row][item.at("doc_id").get<std::int64_t>()] = value.get<double>() >= 0.5;
    }
  }
}

struct Evaluated {
  Answers answers;
  std::map<std::string, std::string> questions;  // by task
};

Evaluated evaluated(const Side& side) try {
  Evaluated result;
  for (const json& eval : side.record->document().at("evals")) {
    const std::string task = text_at(eval, "task"), subject = text_at(eval, "subject");
    if (task.empty() || (!subject.empty() && subject != side.subject)) continue;
    if (!eval.contains("items") || !eval["items"].is_array()) continue;
    result.questions[task] = questions_of(eval);
    for (const json& item : eval["items"]) read_item(task, item, result.answers);
  }
  return result;
} catch (const json::exception& error) {
  throw Error(fmt::format("record {}: an evaluated item cannot be read: {}", side.record->id(),
                          error.what()));
}

RowSamples item_row(const std::string& test, const std::map<std::int64_t, bool>& a,
                    const std::map<std::int64_t, bool>& b) {
  RowSamples row;
  row.metric = Metric::kAccuracy;
  row.test = test;
  row.pairing = Pairing::kItems;
  for (const auto& [document, right_a] : a) {
    const auto found = b.find(document);
    if (found == b.end()) continue;
    const bool right_b = found->second;
    ++row.items;
    row.right_a += right_a ? 1 : 0;
    row.right_b += right_b ? 1 : 0;
    row.only_a += right_a && !right_b ? 1 : 0;
    row.only_b += right_b && !right_a ? 1 : 0;
  }
  return row;
}

// ": " and the record's reasons, if it has any
std::string because(const Record& record) {
  std::vector<std::string> reasons;
  for (const json& reason : record.document().at("reasons")) {
    if (reason.is_string()) reasons.push_back(reason.get<std::string>());
  }
  return reasons.empty() ? "" : ": " + joined(reasons);
}

}  // namespace

bool asked_for(const std::vector<Metric>& metrics, Metric metric) {
  return std::find(metrics.begin(), metrics.end(), metric) != metrics.end();
}

void refuse_other_machine(const SideFacts& a, const SideFacts& b) {
  if (a.machine_hash == b.machine_hash && !a.machine_hash.empty()) return;
  if (a.machine_hash.empty() || b.machine_hash.empty()) {
    throw Error(
        fmt::format("record {}: expected a machine hash, got none; without it the machine "
                    "is not known to be the same",
                    a.machine_hash.empty() ? a.record_id : b.record_id));
  }
  throw Error(fmt::format(
      "the records cannot be compared: they were measured on different machines ({}, hash {:.12}; "
      "{}, hash {:.12})",
      a.cpu, a.machine_hash, b.cpu, b.machine_hash));
}

void gather_trials(const Side& a, const Side& b, const std::vector<Metric>& metrics,
                   Gathered& gathered) {
  const std::vector<Trial> trials_a = a.record->trials(), trials_b = b.record->trials();
  const Tests first = tests_of(trials_a, a), second = tests_of(trials_b, b);
  if (first.names.empty() || second.names.empty()) {
    const Side& lacking = first.names.empty() ? a : b;
    for (const Metric metric : {Metric::kSpeed, Metric::kEnergy}) {
      if (!asked_for(metrics, metric)) continue;
      gathered.missing.push_back({metric, fmt::format("record {} has no trial of {}",
                                                      lacking.record->id(), lacking.subject)});
    }
    return;
  }
  const SideFacts facts_a = side_facts(a), facts_b = side_facts(b);
  refuse_other_machine(facts_a, facts_b);
  if (facts_a.record_id != facts_b.record_id) {
    const std::string difference = model_difference(facts_a, facts_b);
    if (!difference.empty()) throw Error("the records cannot be compared: " + difference);
  }
  // A test that one side lacks could hide any loss: it is missing, not merely remarked upon.
  const auto only_in = [&](const std::string& test, const char* side) {
    for (const Metric metric : {Metric::kSpeed, Metric::kEnergy}) {
      if (!asked_for(metrics, metric)) continue;
      gathered.missing.push_back({metric, fmt::format("{} was measured in {} only", test, side)});
    }
  };
  bool any = false;
  for (const std::string& test : first.names) {
    if (!second.trials.contains(test)) {
      only_in(test, "A");
      continue;
    }
    any = true;
    gather_test(test, {first.trials.at(test), second.trials.at(test)}, a, b, metrics, gathered);
  }
  for (const std::string& test : second.names) {
    if (!first.trials.contains(test)) only_in(test, "B");
  }
  if (any) return;
  throw Error(fmt::format(
      "the records cannot be compared: they have no test in common (A has {}; B has {})",
      joined(first.names), joined(second.names)));
}

void gather_items(const Side& a, const Side& b, Gathered& gathered) {
  const Evaluated first = evaluated(a), second = evaluated(b);
  const auto miss = [&](const std::string& why) {
    gathered.missing.push_back({Metric::kAccuracy, why});
  };
  if (first.answers.empty() || second.answers.empty()) {
    const Side& lacking = first.answers.empty() ? a : b;
    return miss(fmt::format("record {} has no evaluated items of {}", lacking.record->id(),
                            lacking.subject));
  }
  std::set<std::string> other;  // tasks whose questions are not the same
  for (const auto& [task, questions] : first.questions) {
    const auto found = second.questions.find(task);
    if (found == second.questions.end()) {
      miss(task + " was answered in A only");
      continue;
    }
    if (found->second == questions) continue;
    other.insert(task);
    miss(
        fmt::format("{}: A and B were asked differently ({}; {})", task, questions, found->second));
  }
  for (const auto& [task, questions] : second.questions) {
    if (!first.questions.contains(task)) miss(task + " was answered in B only");
  }
  bool any = !other.empty();
  for (const auto& [test, answers] : first.answers) {
    const auto found = second.answers.find(test);
    if (found == second.answers.end() || other.contains(test.substr(0, test.find(' ')))) continue;
    RowSamples row = item_row(test, answers, found->second);
    any = true;
    if (row.items == 0) {
      miss(test + ": no question was put to both sides");
      continue;
    }
    if (row.items < static_cast<int>(std::max(answers.size(), found->second.size()))) {
      gathered.notes.push_back(fmt::format("{}: of {} and {} questions, {} were put to both", test,
                                           answers.size(), found->second.size(), row.items));
    }
    gathered.rows.push_back(std::move(row));
  }
  if (!any) miss("the two sides have no task in common");
}

std::string why_unfinished(const Record& record) {
  const std::string status = text_at(record.document(), "status");
  if (status == "ok" || status == "unfit") return "";
  if (status == "running") return fmt::format("the run {} is unfinished", record.id());
  return fmt::format("the run {} is \"{}\"{}", record.id(), status, because(record));
}

std::string why_unfit(const Record& record) {
  const json& document = record.document();
  if (text_at(document, "status") == "unfit") return "unfit environment" + because(record);
  const json& environment = document.at("environment");
  const json before = environment.value("before", json::object());
  const json after = environment.value("after", json::object());
  if (!before.is_object() || !after.is_object()) return "";
  const std::string governor = text_at(before, "governor");
  if (const std::string now = text_at(after, "governor");
      !governor.empty() && !now.empty() && now != governor) {
    return fmt::format(
        "unfit environment: the governor changed from \"{}\" to \"{}\" during run {}", governor,
        now, record.id());
  }
  const json none = json::object();
  const json counts_before = before.value("throttle_counts", none);
  const json counts_after = after.value("throttle_counts", none);
  if (!counts_before.is_object() || !counts_after.is_object()) return "";
  for (const auto& [name, count] : counts_after.items()) {
    if (!counts_before.contains(name) || !count.is_number_integer() ||
        !counts_before[name].is_number_integer()) {
      continue;
    }
    const auto times = count.get<std::int64_t>() - counts_before[name].get<std::int64_t>();
    if (times <= 0) continue;
    return fmt::format("unfit environment: the processor was throttled {} times ({}) during run {}",
                       times, name, record.id());
  }
  return "";
}

}  // namespace tern::harness
