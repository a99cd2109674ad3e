#include "kernels/attention/attention.h"

#include "kernels/simd/lanes_neon.h"
#include "kernels/vector/exp_constants.h"

namespace tern::kernels::neon {
namespace {

#include "kernels/simd/lanes_math.inl"

#include "kernels/attention/attention_lanes.inl"

}  // namespace

constinit const AttentionKernels kAttention = {scores, largest_score, weigh, weighted_sum};

}  // namespace tern::kernels::neon
