#include "evals/aggregate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>

#include "evals/error.h"

namespace tern::evals {

namespace {

std::vector<const ItemResult*> by_document(std::span<const ItemResult> items) {
  std::vector<const ItemResult*> sorted;
  sorted.reserve(items.size());
  for (const ItemResult& item : items) sorted.push_back(&item);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const ItemResult* a, const ItemResult* b) { return a->doc_id < b->doc_id; });
  return sorted;
}

std::vector<MetricValue> metric_values(std::span<const ItemResult* const> items,
                                       std::string_view filter, std::string_view metric) {
  std::vector<MetricValue> values;
  for (const ItemResult* item : items) {
    for (const FilterResult& result : item->filters) {
      if (result.filter != filter) continue;
      for (const MetricValue& value : result.metrics)
        if (value.metric == metric) values.push_back(value);
    }
  }
  return values;
}

MeanError aggregated(Aggregation aggregation, std::span<const MetricValue> values) {
  std::vector<double> numbers;
  for (const MetricValue& value : values) numbers.push_back(value.value);
  if (aggregation == Aggregation::kMean) return mean_error(numbers);
  MeanError result;
  result.n = static_cast<int>(values.size());
  if (values.empty()) return result;
  double sum = 0, weights = 0;
  for (const MetricValue& value : values) {
    sum += value.value;
    weights += value.weight.value_or(1);
  }
  const double rate = -(sum / weights);
  result.mean =
      aggregation == Aggregation::kBitsPerByte ? rate / std::numbers::ln2 : std::exp(rate);
  return result;
}

}  // namespace

MeanError mean_error(std::span<const double> values) {
  MeanError result;
  result.n = static_cast<int>(values.size());
  if (values.empty()) return result;
  const double n = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  result.mean = sum / n;
  if (values.size() < 2) return result;
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.standard_error = std::sqrt(squares / (n - 1)) / std::sqrt(n);
  return result;
}

std::vector<Score> aggregate(const TaskInfo& task, std::span<const ItemResult> items) {
  const std::vector<const ItemResult*> sorted = by_document(items);
  std::vector<Score> scores;
  for (const std::string_view filter : task.filters) {
    for (const Metric& metric : task.metrics) {
      scores.push_back(
          {std::string(metric.name), std::string(filter), metric.higher_is_better,
           aggregated(metric.aggregation, metric_values(sorted, filter, metric.name))});
    }
  }
  return scores;
}

std::vector<Score> aggregate_group(std::span<const std::vector<Score>> tasks) {
  std::vector<Score> scores;
  if (tasks.empty()) return scores;
  for (const Score& first : tasks.front()) {
    double sum = 0, variance = 0;
    std::int64_t n = 0;
    bool all_known = true;
    for (const std::vector<Score>& task : tasks) {
      const auto same = std::find_if(task.begin(), task.end(), [&](const Score& score) {
        return score.metric == first.metric && score.filter == first.filter;
      });
      if (same == task.end()) throw Error("a group: expected tasks with the same metrics");
      const double size = same->value.n;
      sum += same->value.mean * size;
      n += same->value.n;
      const double error = same->value.standard_error.value_or(0);
      all_known = all_known && same->value.standard_error.has_value();
      variance += (size - 1) * (error * error) * size;
    }
    Score score = first;
    score.value.mean = n > 0 ? sum / static_cast<double>(n) : 0;
    score.value.n = static_cast<int>(n);
    score.value.standard_error.reset();
    const auto degrees = n - static_cast<std::int64_t>(tasks.size());
    if (all_known && degrees > 0) {
      score.value.standard_error =
          std::sqrt(variance / static_cast<double>(degrees) / static_cast<double>(n));
    }
    scores.push_back(std::move(score));
  }
  return scores;
}

std::vector<GroupScores> complete_groups(std::span<const TaskScores> tasks) {
  std::vector<GroupScores> complete;
  for (const TaskGroup& group : groups()) {
    std::vector<std::vector<Score>> members;
    for (const TaskScores& task : tasks) {
      if (std::find(group.tasks.begin(), group.tasks.end(), task.task) != group.tasks.end())
        members.push_back(task.scores);
    }
    if (members.size() == group.tasks.size())
      complete.push_back({&group, aggregate_group(members)});
  }
  std::stable_sort(complete.begin(), complete.end(), [](const auto& a, const auto& b) {
    return a.group->tasks.size() > b.group->tasks.size();
  });
  return complete;
}

}  // namespace tern::evals
