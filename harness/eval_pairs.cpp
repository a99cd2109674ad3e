#include "harness/eval_pairs.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "harness/statistics.h"

namespace tern::harness {

namespace {

// The scores of one filter and metric, of questions that both answered.
struct Samples {
  std::vector<double> a, b;
};
using Name = std::pair<std::string, std::string>;  // metric, filter: the order of lm_eval's rows

std::map<Name, double> values_of(const EvalItem& item) {
  std::map<Name, double> values;
  for (const evals::FilterResult& filter : item.result.filters) {
    for (const evals::MetricValue& value : filter.metrics) {
      // A perplexity's part of one document is no score of it.
      if (!value.weight.has_value()) values[{value.metric, filter.filter}] = value.value;
    }
  }
  return values;
}

std::map<Name, Samples> common_samples(const TaskRun& a, const TaskRun& b) {
  std::map<std::int64_t, const EvalItem*> others;
  for (const EvalItem& item : b.items) others[item.result.doc_id] = &item;
  std::map<Name, Samples> samples;
  for (const EvalItem& item : a.items) {
    const auto other = others.find(item.result.doc_id);
    if (other == others.end()) continue;
    const std::map<Name, double> values = values_of(*other->second);
    for (const auto& [name, value] : values_of(item)) {
      const auto found = values.find(name);
      if (found == values.end()) continue;
      samples[name].a.push_back(value);
      samples[name].b.push_back(found->second);
    }
  }
  return samples;
}

PairedScore score_of(const Samples& samples) {
  PairedScore score;
  score.questions = static_cast<int>(samples.a.size());
  score.a = summarize(samples.a).mean;
  score.b = summarize(samples.b).mean;
  const auto binary = [](double value) { return value == 0 || value == 1; };
  score.right_or_wrong = std::all_of(samples.a.begin(), samples.a.end(), binary) &&
                         std::all_of(samples.b.begin(), samples.b.end(), binary);
  if (!score.right_or_wrong) {
    score.difference = paired_effect(samples.a, samples.b, kPairedLevel);
    return score;
  }
  for (std::size_t i = 0; i < samples.a.size(); ++i) {
    score.only_a += samples.a[i] > samples.b[i] ? 1 : 0;
    score.only_b += samples.b[i] > samples.a[i] ? 1 : 0;
  }
  score.difference = mcnemar_effect(score.questions, score.only_a, score.only_b, kPairedLevel);
  return score;
}

}  // namespace

std::vector<PairedScore> paired_scores(const std::vector<TaskRun>& runs) {
  std::vector<PairedScore> scores;
  for (const TaskRun& first : runs) {
    if (first.subject != 0) continue;
    for (const TaskRun& other : runs) {
      if (other.subject == 0 || other.task != first.task) continue;
      for (const auto& [name, samples] : common_samples(first, other)) {
        PairedScore score = score_of(samples);
        score.task = first.task->info().name;
        score.metric = name.first;
        score.filter = name.second;
        score.against = other.subject;
        scores.push_back(std::move(score));
      }
    }
  }
  return scores;
}

}  // namespace tern::harness
