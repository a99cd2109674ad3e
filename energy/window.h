#pragma once
// The readings of one window as joules, or the reason why there are none. Pure: no clock, no
// reading. No partial sum passes for a total: every included domain must have answered throughout.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "energy/domain_accumulator.h"
#include "energy/energy_meter.h"
#include "energy/energy_source.h"
#include "energy/mirrors.h"

namespace tern::energy {

// Where one domain's own window lies.
struct Edges {
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
};

struct Window {
  std::vector<DomainAccumulator> counters;  // one per domain, as are the edges
  std::vector<Edges> edges;
  std::int64_t updates = 0;
  bool aligned = false;
  double sharpness_s = 0;      // of aligned edges
  double update_s = 0;         // measured; 0: not
  std::int64_t asleep_ns = 0;  // how long the machine slept meanwhile
  std::string trouble;         // EnergySource::trouble at the end
};

// mirrors is asked about the pairs, and remembers.
EnergyDelta summarize(const SourceInfo& info, const Window& window, Mirrors& mirrors);

}  // namespace tern::energy
