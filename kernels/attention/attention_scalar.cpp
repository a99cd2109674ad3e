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

void scores(const float* const* q, std::int64_t queries, const void* k, CacheType type,
            std::int64_t head_dim, float scale, std::int64_t begin, std::int64_t end, float* scores,
            std::int64_t stride) noexcept {
  for (std::int64_t i = 0; i < queries; ++i) {
    for (std::int64_t j = begin; j < end; ++j) {
      float lanes[kLanes] = {};
      for (std::int64_t d = 0; d < head_dim; ++d) {
        float& lane = lanes[d % kLanes];
        lane = __builtin_fmaf(q[i][d], cached(k, type, j * head_dim + d), lane);
      }
      scores[i * stride + j] = merge_lanes(lanes) * scale;
    }
  }
}

float largest(const float* scores, std::int64_t n) noexcept {
  float max = scores[0];
  for (std::int64_t j = 1; j < n; ++j) max = scores[j] > max ? scores[j] : max;
  return max + 0.0f;  // a maximum of zero is +0, whichever zeros it was chosen from
}

float weigh(float* scores, float max, std::int64_t n) noexcept {
  float lanes[kLanes] = {};
  for (std::int64_t j = 0; j < n; ++j) {
    scores[j] = exp_f32(scores[j] - max);
    float& lane = lanes[j % kLanes];
    lane = lane + scores[j];
  }
  return merge_lanes(lanes);
}

void weighted_sum(const float* p, std::int64_t stride, std::int64_t queries, const void* v,
                  CacheType type, std::int64_t head_dim, std::int64_t begin, std::int64_t end,
                  float* const* out) noexcept {
  for (std::int64_t i = 0; i < queries; ++i) {
    for (std::int64_t j = begin; j < end; ++j) {
      for (std::int64_t d = 0; d < head_dim; ++d) {
        out[i][d] = __builtin_fmaf(p[i * stride + j], cached(v, type, j * head_dim + d), out[i][d]);
      }
    }
  }
}

}  // namespace

constinit const AttentionKernels kAttention = {scores, largest, weigh, weighted_sum};

}  // namespace tern::kernels::scalar
