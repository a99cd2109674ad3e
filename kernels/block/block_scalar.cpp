// The oracle: block.h, one row and one token at a time.

#include <cstring>

#include "kernels/block/layout.h"
#include "kernels/float16.h"

namespace tern::kernels::scalar {
namespace {

// 32 columns of one row. Q8_0 and Q4_0 have sub-scales 1.
struct Block {
  std::int32_t w[kQuantBlock];
  std::int32_t sub_scales[2];
  float d;
};

float f16_at(const std::uint8_t* p) noexcept {
  std::uint16_t half;
  std::memcpy(&half, p, sizeof half);
  return f16_to_f32(half);
}

// Code of column 4 * word + c.
int code(BlockType type, const std::uint8_t* lines, std::int64_t r, int word, int c) noexcept {
  const std::int64_t at = 4 * r + c;
  if (type == BlockType::kQ8_0) return lines[word * kBlockLine + at];
  const int nibble = (lines[word % 4 * kBlockLine + at] >> (word / 4 * 4)) & 15;
  if (type == BlockType::kQ4_0) return nibble;
  const int top = (lines[(4 + word / 4) * kBlockLine + at] >> (word % 4 * 2)) & 3;
  return nibble | top << 4;
}

int offset(BlockType type) noexcept {
  return type == BlockType::kQ8_0 ? 128 : type == BlockType::kQ4_0 ? 8 : 32;
}

Block block_of(const BlockMatrix& w, std::int64_t row, std::int64_t b) noexcept {
  const std::uint8_t* row_block =
      w.packed + row / kBlockRows * block_row_block_bytes(w.type, w.cols);
  const std::uint8_t* lines = row_block + b * block_code_bytes(w.type);
  const std::uint8_t* scales = row_block + block_scales_at(w.type, w.cols);
  const std::int64_t r = row % kBlockRows;
  Block block;
  for (int k = 0; k < kQuantBlock; ++k) {
    block.w[k] = code(w.type, lines, r, k / 4, k % 4) - offset(w.type);
  }
  if (w.type == BlockType::kQ6_K) {
    scales += b / kSuperBlocks * kSuperScaleBytes;
    const std::uint8_t* sub = scales + b % kSuperBlocks * kScaleBytes + r;
    block.sub_scales[0] = static_cast<std::int8_t>(sub[0]);
    block.sub_scales[1] = static_cast<std::int8_t>(sub[kBlockRows]);
    block.d = f16_at(scales + kSuperBlocks * kScaleBytes + 2 * r);
  } else {
    block.sub_scales[0] = block.sub_scales[1] = 1;
    block.d = f16_at(scales + b * kScaleBytes + 2 * r);
  }
  return block;
}

std::int32_t dot16(const std::int32_t* w, const std::int8_t* q) noexcept {
  std::int32_t sum = 0;
  for (int k = 0; k < 16; ++k) sum += w[k] * q[k];
  return sum;
}

void gemm(const BlockMatrix& w, const BlockBatch& x, float* y, std::int64_t y_stride,
          std::int64_t begin, std::int64_t end) noexcept {
  for (std::int64_t row = begin; row < end; ++row) {
    for (std::int64_t t = 0; t < x.tokens; ++t) {
      const std::int8_t* q = x.q + t * x.stride;
      const float* a = x.scales + t * (x.stride / kQuantBlock);
      float acc = 0.0f;
      for (std::int64_t b = 0; b < w.cols / kQuantBlock; ++b, q += kQuantBlock) {
        const Block block = block_of(w, row, b);
        const std::int32_t isum = block.sub_scales[0] * dot16(block.w, q) +
                                  block.sub_scales[1] * dot16(block.w + 16, q + 16);
        acc = __builtin_fmaf(static_cast<float>(isum), block.d * a[b], acc);
      }
      y[t * y_stride + row] = acc * w.scale;
    }
  }
}

void gemv(const BlockMatrix& w, const BlockBatch& x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  gemm(w, x, y, 0, begin, end);
}

}  // namespace

void block_unpack_row(const BlockMatrix& w, std::int64_t row, float* out) noexcept {
  for (std::int64_t b = 0; b < w.cols / kQuantBlock; ++b) {
    const Block block = block_of(w, row, b);
    for (int k = 0; k < kQuantBlock; ++k) {
      const float unit = block.d * static_cast<float>(block.sub_scales[k / 16]);  // exact
      *out++ = unit * static_cast<float>(block.w[k]);
    }
  }
}

constinit const BlockKernels kBlock = {
    kBlockRows, block_packed_bytes, block_pack, block_unpack_row, gemv, gemm};

}  // namespace tern::kernels::scalar
