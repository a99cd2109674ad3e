#pragma once
// Two models measured now, in one paired study, for `tern compare -m A -m B` and `tern gate`: loads
// both, runs the tests in ABBA order, keeps the record. It compares nothing.

#include <filesystem>
#include <string>
#include <utility>

#include "harness/bench_options.h"
#include "harness/record.h"
#include "harness/side.h"

namespace tern::harness {

// The names of the two subjects in the record.
inline constexpr const char* kCandidate = "candidate";
inline constexpr const char* kReference = "reference";

// options: one configuration, whose model is the candidate; options.baseline is the reference, a
// model too, or the same one: then both subjects share its weights. Progress goes to stderr under
// the name of `command`. Every trial is stored as it ends. Throws Error with code 1 when a trial
// fails or SIGINT came; the record then says so.
Record run_paired(const BenchOptions& options, const std::string& command);

// The candidate and the reference of such a record.
std::pair<Side, Side> measured_sides(const Record& record);

}  // namespace tern::harness
