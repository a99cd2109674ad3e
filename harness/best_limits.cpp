#include "harness/best_limits.h"

namespace tern::harness {

const MachineLimits& BestLimits::measure(engine::ThreadPool& pool) {
  MachineLimits& best = limits_[pool.threads()];
  keep_best(best, measure_limits(pool, table_));
  return best;
}

void BestLimits::measure_below(int threads) {
  for (int t = 1; t < threads; t *= 2) {
    engine::ThreadPool pool({.threads = t});
    measure(pool);
  }
}

std::vector<MachineLimits> BestLimits::up_to(int threads) const {
  std::vector<MachineLimits> limits;
  for (const auto& [count, some] : limits_) {
    if (count <= threads) limits.push_back(some);
  }
  return limits;
}

}  // namespace tern::harness
