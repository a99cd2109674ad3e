#pragma once
// Where the time of one test goes: the figures of the extra, untimed pass of `tern bench --phases`,
// in the record and out of it.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "engine/phase_times.h"

namespace tern::harness {

class Record;

struct PhaseSample {
  std::string subject, test;
  std::int64_t elapsed_ns = 0;  // of the whole pass; what no phase accounts for is the rest
  std::int64_t tokens = 0;
  std::vector<std::pair<std::string, std::int64_t>> ns;  // by phase, in the order of a forward pass

  std::int64_t rest_ns() const noexcept;
};

std::vector<std::pair<std::string, std::int64_t>> named(const engine::PhaseTimes& times);

nlohmann::json to_json(const PhaseSample& sample);

// phases[] of the record; entries that cannot be read are left out.
std::vector<PhaseSample> recorded_phases(const Record& record);

}  // namespace tern::harness
