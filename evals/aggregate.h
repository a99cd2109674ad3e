#pragma once
// Scores of many items: lm-evaluation-harness's mean and standard error.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evals/task.h"

namespace tern::evals {

struct MeanError {
  double mean = 0;
  std::optional<double> standard_error;  // sample standard deviation / √n; none when n < 2
  int n = 0;
};
MeanError mean_error(std::span<const double> values);

struct Score {
  std::string metric, filter;
  bool higher_is_better = true;
  MeanError value;
};

// One score per metric and filter of the task, in the order of its filters, then metrics. Items may
// come in any order; sums are taken by ascending doc_id, so that the order of the work cannot
// change a digit. Items that lack a filter or metric do not count towards it.
std::vector<Score> aggregate(const TaskInfo& task, std::span<const ItemResult> items);

}  // namespace tern::evals
