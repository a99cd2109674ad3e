// Without a dot product: SMULL and SMLAL make int16 sums of two products (128 * 127 * 2 = 32512),
// SADALP widens them. Everything here has internal linkage or is an intrinsic (see check.h).

#include <arm_neon.h>

#include <cstring>

#include "kernels/block/layout.h"

namespace tern::kernels::neon {
namespace {

// Columns 4J to 4J + 7 of four rows: int16 sums, two neighbours of which make up a row's pair of
// columns; rows 0 and 1 go to `low`, rows 2 and 3 to `high`.
template <int J>
void add_words(const int8x16_t (&words)[4], int32x4_t q, int32x4_t* low, int32x4_t* high) noexcept {
  const int8x16_t b0 = vreinterpretq_s8_s32(vdupq_laneq_s32(q, J));
  const int8x16_t b1 = vreinterpretq_s8_s32(vdupq_laneq_s32(q, J + 1));
  const int16x8_t l = vmull_s8(vget_low_s8(words[J]), vget_low_s8(b0));
  const int16x8_t h = vmull_high_s8(words[J], b0);
  *low = vpadalq_s16(*low, vmlal_s8(l, vget_low_s8(words[J + 1]), vget_low_s8(b1)));
  *high = vpadalq_s16(*high, vmlal_high_s8(h, words[J + 1], b1));
}

int32x4_t dot_quarter(const int8x16_t (&words)[4], int8x16_t q) noexcept {
  int32x4_t low = vdupq_n_s32(0);
  int32x4_t high = vdupq_n_s32(0);
  add_words<0>(words, vreinterpretq_s32_s8(q), &low, &high);
  add_words<2>(words, vreinterpretq_s32_s8(q), &low, &high);
  return vpaddq_s32(low, high);
}

#include "kernels/block/block_arm.inl"

}  // namespace

constinit const BlockKernels kBlock = {
    kBlockRows, scalar::block_packed_bytes, scalar::block_pack, scalar::block_unpack_row, gemv,
    gemm};

}  // namespace tern::kernels::neon
