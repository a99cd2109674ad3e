#pragma once
// Fills the parts of a record that a benchmark knows before its first trial.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "energy/energy_meter.h"
#include "engine/thread_pool.h"
#include "harness/bench_options.h"
#include "harness/contenders.h"
#include "harness/file_digest.h"
#include "harness/phases.h"
#include "harness/record.h"
#include "harness/roofline.h"

namespace tern::harness {

// One subject of the record and the files it came from (none for a synthetic model).
struct RecordedSubject {
  std::string name;
  const engine::Model* model = nullptr;
  const std::vector<FileDigest>* files = nullptr;
};

// An entry of subjects[]. derived: the FP16 twin of a ternary model.
nlohmann::json subject_part(const RecordedSubject& subject, bool derived);

Record begin_bench_record(const BenchOptions& options, const BenchConfiguration& configuration,
                          const std::vector<RecordedSubject>& subjects,
                          const engine::ThreadPool& pool, const std::string& kernels_row);

// limits, and limits.by_threads where there are any.
void record_limits(Record& record, const MachineLimits& limits,
                   const std::vector<MachineLimits>& by_threads);

// phases[]
// What the decoding of subject number `subject` read on average, of all it did.
void record_skipping(Record& record, std::size_t subject, const engine::SkipCounts& counts);

void record_phases(Record& record, const std::vector<PhaseSample>& samples);

// environment.after; judge_fitness comes next.
void record_environment_after(Record& record);

}  // namespace tern::harness
