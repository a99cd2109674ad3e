#pragma once
// Scores of many items: lm-evaluation-harness's means, perplexities and standard errors.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evals/task.h"

namespace tern::evals {

struct MeanError {
  double mean = 0;  // or what the metric's aggregation makes of the values
  // Of a mean: sample standard deviation / √n; none when n < 2, and none of a perplexity.
  std::optional<double> standard_error;
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

// The scores of a group from those of its tasks: means weighted by the number of items, and the
// pooled standard error, which needs all of them (lm-evaluation-harness's pooled_sample_stderr).
// Throws Error when the tasks have not the same metrics.
std::vector<Score> aggregate_group(std::span<const std::vector<Score>> tasks);

struct TaskScores {
  std::string task;
  std::vector<Score> scores;
};
struct GroupScores {
  const TaskGroup* group = nullptr;
  std::vector<Score> scores;
};
// The scores of all groups of which every task is there, larger groups first.
std::vector<GroupScores> complete_groups(std::span<const TaskScores> tasks);

}  // namespace tern::evals
