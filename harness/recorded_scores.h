#pragma once
// Scores of the evaluations in a record, derived from its items: per filter and metric the mean and
// its standard error, seconds and joules per question. The items themselves stay behind: there may
// be thousands. An evaluation in a form this version does not know has no scores, never a guessed
// one.

#include <nlohmann/json_fwd.hpp>

#include "harness/record.h"

namespace tern::harness {

// An array, one object per entry of evals[].
nlohmann::json recorded_scores(const Record& record);

}  // namespace tern::harness
