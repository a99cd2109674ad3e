// SDOT by lane: lane i of 16 activations holds the columns of word i. Everything here has internal
// linkage or is an intrinsic (see check.h).

#include <arm_neon.h>

#include <cstring>

#include "kernels/block/layout.h"

namespace tern::kernels::dotprod {
namespace {

int32x4_t dot_quarter(const int8x16_t (&words)[4], int8x16_t q) noexcept {
  int32x4_t sum = vdotq_laneq_s32(vdupq_n_s32(0), words[0], q, 0);
  sum = vdotq_laneq_s32(sum, words[1], q, 1);
  sum = vdotq_laneq_s32(sum, words[2], q, 2);
  return vdotq_laneq_s32(sum, words[3], q, 3);
}

#include "kernels/block/block_arm.inl"

}  // namespace

constinit const BlockKernels kBlock = {
    kBlockRows, scalar::block_packed_bytes, scalar::block_pack, scalar::block_unpack_row, gemv,
    gemm};

}  // namespace tern::kernels::dotprod
