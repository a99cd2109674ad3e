#pragma once
// Block-quantised weights (ggml's Q8_0, Q4_0 and Q6_K) times activations quantised per block of 32
// columns: integer sums within a block, one binary32 chain across blocks.
//
// Arithmetic, the same everywhere:
//  * activations of a block (quantize.h, quantize_blocks): x ~ a_b * q, q in [-127, 127];
//  * isum_b, exact in int32. Q8_0, Q4_0: sum over the block of w * q, where w is the stored integer
//    (the code less its offset). Q6_K, whose sub-blocks of 16 columns have int8 scales s0, s1:
//    s0 * (sum over the first 16 of w * q) + s1 * (sum over the other 16 of w * q);
//  * y[r] = (fma chain over blocks ascending, from +0, of float(isum_b) * (d_b * a_b)) * scale, d_b
//    the block's binary16 scale (Q6_K: of 256 columns); the product d_b * a_b is rounded.
// Lanes are rows, never columns, so vector width, tiles, batch and threads cannot change a bit.
// |isum_b| < 2^24 for every type, so its conversion, and binary32 arithmetic on its parts, is
// exact.
//
// Packed layout (it belongs to the kernels; bytes per weight are the file's, up to padding): 16
// matrix rows form a row block, which holds one run of codes and then one run of scales, padded to
// a multiple of 64 bytes. Codes are unsigned: w + 128, w + 8, w + 32. Word i of a block is its
// columns 4i to 4i + 3; in 64 bytes, byte 4r + c belongs to row r and column c of a word.
//  * Q8_0, per 32 columns: 8 lines of 64 bytes, line i is word i; 16 binary16 scales.
//  * Q4_0, per 32 columns: 4 lines, line i has word i in its low and word i + 4 in its high
//  nibbles;
//    16 binary16 scales.
//  * Q6_K, per 32 columns: 4 lines of low nibbles as Q4_0, then 2 lines with the top two bits: line
//    h has those of word 4h + j in bits 2j and 2j + 1. Per 256 columns: for each block 16 int8 s0,
//    16 int8 s1; then 16 binary16 scales.
// Missing rows have all codes and scales 0.

#include <cstddef>
#include <cstdint>

namespace tern::kernels {

enum class BlockType : std::uint8_t { kQ8_0, kQ4_0, kQ6_K };

// Columns of a block of activations, and of a block of weights but for Q6_K.
inline constexpr std::int64_t kQuantBlock = 32;

// A matrix of shape (rows, cols), packed. cols is a multiple of 32, of 256 for Q6_K. `scale`
// multiplies every output: a ternary matrix keeps its binary32 scale exact this way; 1 otherwise.
struct BlockMatrix {
  const std::uint8_t* packed;  // packed_bytes(type, rows, cols), 64-byte aligned
  BlockType type;
  std::int64_t rows;
  std::int64_t cols;
  float scale;
};

// A batch of activations as quantize_blocks leaves them.
struct BlockBatch {
  const std::int8_t* q;      // (tokens, stride), 64-byte aligned; never -128
  const std::int32_t* sums;  // (tokens, stride / 16): of q over each half of a block
  const float* scales;       // (tokens, stride / 32): a_b
  std::int64_t stride;       // a multiple of kQuantizedAlign (ternary.h), >= cols
  std::int64_t tokens;
};

// All functions: pure, no allocation, safe to call from many threads on disjoint row ranges.
// Row ranges [begin, end) start on a multiple of row_block and end on one or at `rows`.
struct BlockKernels {
  std::int64_t row_block;

  std::size_t (*packed_bytes)(BlockType type, std::int64_t rows, std::int64_t cols) noexcept;

  // blocks: rows [begin, end) one after the other as a model file stores them (cols / 32 blocks of
  // 34 or 18 bytes, cols / 256 blocks of 210 bytes), any alignment. Writes their row blocks.
  void (*pack)(BlockType type, const void* blocks, std::int64_t begin, std::int64_t end,
               std::int64_t rows, std::int64_t cols, std::uint8_t* packed) noexcept;

  // One row as binary32 (cols), without `scale`, by the type's defining formula: the embedding
  // look-up.
  void (*unpack_row)(const BlockMatrix& w, std::int64_t row, float* out) noexcept;

  // y[r] for r in [begin, end), y indexed from row 0. x.tokens must be 1.
  void (*gemv)(const BlockMatrix& w, const BlockBatch& x, float* y, std::int64_t begin,
               std::int64_t end) noexcept;

  // y[t * y_stride + r] for every token t and r in [begin, end).
  void (*gemm)(const BlockMatrix& w, const BlockBatch& x, float* y, std::int64_t y_stride,
               std::int64_t begin, std::int64_t end) noexcept;
};

namespace scalar {
extern const BlockKernels kBlock;
}
namespace avx2 {
extern const BlockKernels kBlock;
}
namespace avx512vnni {
extern const BlockKernels kBlock;
extern const BlockKernels kBlockInTwos;  // its gemv: see kernels/simd/reading.h
}  // namespace avx512vnni
namespace neon {
extern const BlockKernels kBlock;
}
namespace dotprod {
extern const BlockKernels kBlock;
}

}  // namespace tern::kernels
