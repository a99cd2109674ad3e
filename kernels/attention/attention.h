#pragma once
// Attention of one query head over cached keys and values, in two passes with the true maximum, so
// that threads may split the keys and prefill equals decode: partial sums belong to fixed blocks of
// 256 absolute key positions and the caller merges them in ascending order.
//
// K and V of one kv head: (positions, head_dim), rows contiguous, in binary16 or binary32.

#include <cstdint>

namespace tern::kernels {

enum class CacheType : std::uint8_t { kF16, kF32 };

inline constexpr std::int64_t kAttentionBlock = 256;
inline constexpr std::int64_t kMaxHeadDim = 512;

struct AttentionKernels {
  // scores[j] = dot(q, k_j) * scale for j in [begin, end), the dot by 16 lanes of fma over head_dim
  // and the fixed tree of vector.h. k is the row of position 0; scores is indexed by position.
  // Returns the largest of them (begin < end).
  float (*scores)(const float* q, const void* k, CacheType type, std::int64_t head_dim, float scale,
                  std::int64_t begin, std::int64_t end, float* scores) noexcept;

  // One block: [begin, end) lies within one block of kAttentionBlock positions and begin is its
  // first. p_j = exp_f32(scores[j] - max); *sum = sum of p_j by 16 lanes (lane (j - begin) mod 16)
  // and the tree; out[d] = fma chain over j ascending, from +0, of p_j * v_j[d]. scores may be
  // overwritten with p.
  void (*weighted_sum)(float* scores, float max, const void* v, CacheType type,
                       std::int64_t head_dim, std::int64_t begin, std::int64_t end, float* out,
                       float* sum) noexcept;
};

namespace scalar {
extern const AttentionKernels kAttention;
}
namespace avx2 {
extern const AttentionKernels kAttention;
}
namespace avx512 {
extern const AttentionKernels kAttention;
}
namespace neon {
extern const AttentionKernels kAttention;
}

}  // namespace tern::kernels
