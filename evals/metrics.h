#pragma once
// The metrics there are, by the kind of answer they judge.

#include <string_view>
#include <vector>

#include "evals/task.h"

namespace tern::evals {

// Throws Error naming the metrics of that kind of answer when there is none of that name.
Metric find_metric(std::string_view name, OutputType output);

// Those of a description that names none.
std::vector<Metric> default_metrics(OutputType output);

}  // namespace tern::evals
