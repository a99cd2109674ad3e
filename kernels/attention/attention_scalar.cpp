// The oracle: attention.h, one element at a time.

#include "kernels/attention/attention.h"
#include "kernels/float16.h"
#include "kernels/vector/math.h"
#include "kernels/vector/merge_lanes.h"

namespace tern::kernels::scalar {
namespace {

float cached(const void* rows, CacheType type, std::int64_t index) noexcept {
  if (type == CacheType::kF16) return f16_to_f32(static_cast<const std::uint16_t*>(rows)[index]);
  return static_cast<const float*>(rows)[index];
}

float scores(const float* q, const void* k, CacheType type, std::int64_t head_dim, float scale,
             std::int64_t begin, std::int64_t end, float* scores) noexcept {
  float max = -__builtin_inff();
  for (std::int64_t j = begin; j < end; ++j) {
    float lanes[kLanes] = {};
    for (std::int64_t d = 0; d < head_dim; ++d) {
      float& lane = lanes[d % kLanes];
      lane = __builtin_fmaf(q[d], cached(k, type, j * head_dim + d), lane);
    }
    scores[j] = merge_lanes(lanes) * scale;
    max = scores[j] > max ? scores[j] : max;
  }
  return max + 0.0f;  // a maximum of zero is +0, whichever zeros it was chosen from
}

void weighted_sum(float* scores, float max, const void* v, CacheType type, std::int64_t head_dim,
                  std::int64_t begin, std::int64_t end, float* out, float* sum) noexcept {
  float lanes[kLanes] = {};
  for (std::int64_t d = 0; d < head_dim; ++d) out[d] = 0.0f;
  for (std::int64_t j = begin; j < end; ++j) {
    const float p = exp_f32(scores[j] - max);
    scores[j] = p;
    float& lane = lanes[(j - begin) % kLanes];
    lane = lane + p;
    for (std::int64_t d = 0; d < head_dim; ++d) {
      out[d] = __builtin_fmaf(p, cached(v, type, j * head_dim + d), out[d]);
    }
  }
  *sum = merge_lanes(lanes);
}

}  // namespace

constinit const AttentionKernels kAttention = {scores, weighted_sum};

}  // namespace tern::kernels::scalar
