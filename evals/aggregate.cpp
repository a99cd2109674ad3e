#include "evals/aggregate.h"

#include <algorithm>
#include <cmath>
#include <utility>

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

std::vector<double> metric_values(std::span<const ItemResult* const> items, std::string_view filter,
                                  std::string_view metric) {
  std::vector<double> values;
  for (const ItemResult* item : items) {
    for (const FilterResult& result : item->filters) {
      if (result.filter != filter) continue;
      for (const MetricValue& value : result.metrics)
        if (value.metric == metric) values.push_back(value.value);
    }
  }
  return values;
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
      scores.push_back({std::string(metric.name), std::string(filter), metric.higher_is_better,
                        mean_error(metric_values(sorted, filter, metric.name))});
    }
  }
  return scores;
}

}  // namespace tern::evals
