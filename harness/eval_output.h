#pragma once
// Where the result of an evaluation goes: stdout, and with --output_path the files that lm_eval
// writes (harness.md, section 4.2), each of which appears whole under its name.

#include "harness/eval_options.h"
#include "harness/report/eval_report.h"

namespace tern::harness {

// Makes the folder of --output_path, so that a place that cannot be written costs no evaluation.
// Throws Error.
void prepare_output(const EvalOptions& options);

// To stdout, as -o says, and to
//   DIR/MODEL/results_TIME.json and samples_TASK_TIME.jsonl, or FILE_TIME.json with the samples
// beside it; those of a baseline in DIR/MODEL__SUBJECT, or with __SUBJECT before the time. Throws
// Error.
void write_eval_report(const EvalReport& report, const EvalOptions& options);

}  // namespace tern::harness
