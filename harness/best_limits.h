#pragma once
// The machine's limits by number of threads, as a run sees them. A limit is the best that was ever
// seen: a neighbour that takes bandwidth during one half second would make the machine look smaller
// than it is, so whoever measures does it before and after the trials.

#include <map>
#include <vector>

#include "engine/thread_pool.h"
#include "harness/limits.h"
#include "kernels/dispatch.h"

namespace tern::harness {

class BestLimits {
 public:
  explicit BestLimits(const kernels::KernelTable& table) : table_(table) {}

  // With the threads of this pool.
  const MachineLimits& measure(engine::ThreadPool& pool);
  // 1, 2, 4, … below `threads`, each with a team of its own. Before the pool of the run is made:
  // that one pins the calling thread, and these would share its CPU.
  void measure_below(int threads);

  const MachineLimits& at(int threads) const { return limits_.at(threads); }
  std::vector<MachineLimits> up_to(int threads) const;

 private:
  const kernels::KernelTable& table_;
  std::map<int, MachineLimits> limits_;  // by threads
};

}  // namespace tern::harness
