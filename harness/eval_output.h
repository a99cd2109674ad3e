#pragma once
// Where the result of an evaluation goes.

#include "harness/eval_options.h"
#include "harness/report/eval_report.h"

namespace tern::harness {

// To stdout, as -o says.
void write_eval_report(const EvalReport& report, const EvalOptions& options);

}  // namespace tern::harness
