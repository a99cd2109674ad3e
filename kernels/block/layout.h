#pragma once
// Sizes and addresses of the packed layouts of block.h, shared by the files of this folder. Packing
// and look-ups use the portable implementation on every row of the table.

#include <cstddef>
#include <cstdint>

#include "kernels/block/block.h"

namespace tern::kernels {

constexpr std::int64_t kBlockRows = 16;
constexpr std::int64_t kBlockLine = 64;
constexpr int kBlockWords = 8;            // of four columns each
constexpr std::int64_t kSuperCols = 256;  // of Q6_K
constexpr std::int64_t kSuperBlocks = kSuperCols / kQuantBlock;
constexpr std::int64_t kScaleBytes = 2 * kBlockRows;                         // binary16 of 16 rows
constexpr std::int64_t kSuperScaleBytes = (kSuperBlocks + 1) * kScaleBytes;  // Q6_K, 256 columns

// Static, not inline: see check.h.

// Codes of 16 rows and 32 columns.
[[maybe_unused]] static constexpr std::int64_t block_code_bytes(BlockType type) noexcept {
  return type == BlockType::kQ8_0   ? 8 * kBlockLine
         : type == BlockType::kQ4_0 ? 4 * kBlockLine
                                    : 6 * kBlockLine;
}

// Where the scales of a row block begin, behind its codes.
[[maybe_unused]] static std::int64_t block_scales_at(BlockType type, std::int64_t cols) noexcept {
  return cols / kQuantBlock * block_code_bytes(type);
}

// One row block.
[[maybe_unused]] static std::int64_t block_row_block_bytes(BlockType type,
                                                           std::int64_t cols) noexcept {
  const std::int64_t scales = type == BlockType::kQ6_K ? cols / kSuperCols * kSuperScaleBytes
                                                       : cols / kQuantBlock * kScaleBytes;
  const std::int64_t bytes = block_scales_at(type, cols) + scales;
  return (bytes + kBlockLine - 1) / kBlockLine * kBlockLine;
}

namespace scalar {

std::size_t block_packed_bytes(BlockType type, std::int64_t rows, std::int64_t cols) noexcept;
void block_pack(BlockType type, const void* blocks, std::int64_t begin, std::int64_t end,
                std::int64_t rows, std::int64_t cols, std::uint8_t* packed) noexcept;
void block_unpack_row(const BlockMatrix& w, std::int64_t row, float* out) noexcept;

}  // namespace scalar
}  // namespace tern::kernels
