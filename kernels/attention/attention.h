#pragma once
// Attention of query heads over cached keys and values, in two passes with the true maximum, so
// that threads may split the keys and prefill equals decode: partial sums belong to fixed blocks of
// 256 absolute key positions and the caller merges them in ascending order.
//
// Several queries share one reading of the keys and values: the query heads of one kv head, of one
// token or of neighbouring ones. What each gets does not depend on the others.
//
// K and V of one kv head: (positions, head_dim), rows contiguous, in binary16 or binary32.

#include <cstdint>

namespace tern::kernels {

enum class CacheType : std::uint8_t { kF16, kF32 };

inline constexpr std::int64_t kAttentionBlock = 256;
inline constexpr std::int64_t kMaxHeadDim = 512;

struct AttentionKernels {
  // scores[i * stride + j] = dot(q[i], k_j) * scale for the queries i and j in [begin, end), the
  // dot by 16 lanes of fma over head_dim and the fixed tree of vector.h. k is the row of position
  // 0; scores are indexed by position.
  void (*scores)(const float* const* q, std::int64_t queries, const void* k, CacheType type,
                 std::int64_t head_dim, float scale, std::int64_t begin, std::int64_t end,
                 float* scores, std::int64_t stride) noexcept;

  // The largest of n > 0 scores; a maximum of zero is +0.
  float (*largest)(const float* scores, std::int64_t n) noexcept;

  // Scores of one query, n neighbours of one block (all it sees of it), become weights:
  // p_j = exp_f32(scores[j] - max). Returns their sum by 16 lanes (lane j mod 16) and the tree.
  float (*weigh)(float* scores, float max, std::int64_t n) noexcept;

  // Continues for each query i the fma chain out[i][d] over j in [begin, end) ascending, of
  // p[i * stride + j] * v_j[d]. A chain begins at +0, which is the caller's to write, and belongs
  // to one block of kAttentionBlock positions.
  void (*weighted_sum)(const float* p, std::int64_t stride, std::int64_t queries, const void* v,
                       CacheType type, std::int64_t head_dim, std::int64_t begin, std::int64_t end,
                       float* const* out) noexcept;
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
