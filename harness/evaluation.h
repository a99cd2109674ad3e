#pragma once
// An evaluation of models from its options to its record and its report: loads them, asks every
// question, commits every answer to the store, and says how it went.

#include "harness/eval_options.h"

namespace tern::harness {

// Returns the exit code. Throws Error, engine::Error, evals::Error or datasets::FormatError for bad
// input, before anything is asked or stored.
int run_evaluation(EvalOptions options);

}  // namespace tern::harness
