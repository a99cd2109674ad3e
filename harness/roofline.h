#pragma once
// Where a test sits below the limits of its machine (Williams, Waterman and Patterson, "Roofline",
// 2009): the time its bytes would take at the measured read bandwidth, and its operations at the
// measured peaks. The longer of the two is the least the test could have taken.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace tern::harness {

// Of one team of threads. An operation is a multiplication or an addition. 0: not measured, and
// `why` says so.
struct MachineLimits {
  int threads = 0;
  double read_bytes_per_s = 0;
  double int8_ops_per_s = 0;  // the int8 dot product of the kernels row
  double fp32_ops_per_s = 0;  // its binary32 fma
  double bf16_ops_per_s = 0;  // its BF16 dot product, on rows that have one
  std::string why;
};

// A limit is the best that was ever seen: each of `limits` becomes the larger one.
void keep_best(MachineLimits& limits, const MachineLimits& seen);

nlohmann::json to_json(const MachineLimits& limits);
MachineLimits limits_from_json(const nlohmann::json& object);  // what it does not say is 0

// One test, over all its trials.
struct Work {
  double seconds = 0, tokens = 0, bytes = 0, int8_ops = 0, fp32_ops = 0, bf16_ops = 0;
  double operations() const { return int8_ops + fp32_ops + bf16_ops; }
};

struct Roofline {
  std::string why;  // there is none; the rest is then 0
  double ops_per_byte = 0;
  double ops_per_s = 0;
  double memory_share = 0;   // of the read bandwidth
  double compute_share = 0;  // of the peak of its mix of operations
  bool memory_bound = false;
  double ceiling_ts = 0;  // tokens per second at the limit that binds
};

Roofline roofline(const MachineLimits& limits, const Work& work);

}  // namespace tern::harness
