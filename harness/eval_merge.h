#pragma once
// Evaluations of parts of the same questions, made into one: the items of several records in a
// record of its own. What decides an answer must be the same in all of them; what only decides how
// long it took may differ, and is said.

#include <filesystem>
#include <string>
#include <vector>

#include "harness/eval_options.h"
#include "harness/record.h"

namespace tern::harness {

struct MergedItems {
  Record record;                     // subjects and evaluations of the first one, and all items
  std::vector<std::string> reasons;  // what differs, what is missing, what is there twice
  bool complete = true;              // no document is missing
};

// Throws Error naming what differs in what decides answers, a record that is no evaluation or is
// there twice, and documents that were answered differently in two of them.
MergedItems merge_evaluations(const std::vector<Record>& records);

// The records that files (JSON, one per line or an array) and ids of the store name. Throws Error.
std::vector<Record> named_records(const std::vector<std::string>& names,
                                  const std::filesystem::path& db);

// `tern eval --merge`: merges, scores anew with the tasks' data, keeps the record, writes the
// report. Returns the exit code: 1 where documents are missing.
int run_merge(const EvalOptions& options);

}  // namespace tern::harness
