#pragma once
// Whether a run's figures can be trusted to be the machine's own: what its environment snapshots
// and its counters say moved. An unfit run keeps all its figures; the reasons stand beside them in
// its record (environment.fitness) and in reports.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/record.h"
#include "harness/trial.h"

namespace tern::harness {

// Why the run is unfit; empty: nothing that could be read speaks against it. environment: the
// record's part, with "before" and "after", and, where there are any, "start" (when the command
// began, before it loaded anything) and "resumed" (a run taken up again is judged from then on).
std::vector<std::string> unfit_reasons(const nlohmann::json& environment,
                                       const std::vector<Trial>& trials, bool optimized_build);

// Whose speed was measured: that of this build's own code, or that of another program, to which it
// does not matter how we were compiled.
enum class Measured { kThisBuild, kAnotherProgram };

// Judges a record whose snapshots are complete and writes environment.fitness. Returns the reasons.
std::vector<std::string> judge_fitness(Record& record, Measured what);
std::vector<std::string> judge_fitness(Record& record);  // of this build

struct RecordedFitness {
  bool judged = false;  // older records, and unfinished ones, are not
  std::vector<std::string> reasons;
};
RecordedFitness recorded_fitness(const Record& record);

// The status of a run without a failure: "unfit" only where --strict makes fitness a condition.
const char* finished_status(bool strict, const std::vector<std::string>& unfit) noexcept;

}  // namespace tern::harness
