#pragma once
// How two models differ on the same questions, for the printed report and the results file.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "harness/report/eval_report.h"

namespace tern::harness {

// A table with a line about its tests; empty without a baseline.
std::string pairs_markdown(const EvalReport& report);

// An array, one object per task, metric, filter and baseline.
nlohmann::ordered_json pairs_json(const EvalReport& report);

}  // namespace tern::harness
