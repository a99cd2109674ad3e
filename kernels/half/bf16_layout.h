#pragma once
// The packed layout of BF16 weights for processors that multiply pairs of them: panels of 32 rows;
// element [k / 2][r][k % 2] of a panel; rows and a last column that do not exist are 0. Other types
// are packed as half.h says.

#include <cstddef>
#include <cstdint>

#include "kernels/half/half.h"

namespace tern::kernels {

// Two neighbouring columns of a row or a token: the lower half of the word is the first of them.
using Bf16Pair = std::uint32_t;

constexpr std::int64_t kBf16PanelRows = 32;

// Panels are padded to this many rows (HalfKernels::row_block).
constexpr std::int64_t kBf16RowBlock = 64;

// Static, not inline: see check.h.
[[maybe_unused]] static std::int64_t bf16_pairs(std::int64_t cols) noexcept {
  return (cols + 1) / 2;
}

namespace scalar {

std::size_t bf16_packed_bytes(HalfType type, std::int64_t rows, std::int64_t cols) noexcept;
void bf16_pack(HalfType type, const void* weights, std::int64_t begin, std::int64_t end,
               std::int64_t rows, std::int64_t cols, void* packed) noexcept;
void bf16_unpack_row(const HalfMatrix& w, std::int64_t row, float* out) noexcept;

}  // namespace scalar
}  // namespace tern::kernels
