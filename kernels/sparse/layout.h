#pragma once
// Sizes of the packed layout "r2" (see sparse.h) and what every row of the table shares: packing
// runs once per model at load, and lists are short beside what they save.

#include <cstddef>
#include <cstdint>

#include "kernels/sparse/sparse.h"

namespace tern::kernels {

constexpr std::int64_t kSparseLineBytes = 64;
constexpr std::int64_t kSparseFields = 4;  // of two bits in a byte

// Static, not inline: see check.h.
[[maybe_unused]] static std::int64_t sparse_lines(std::int64_t cols) noexcept {
  return (cols + kSparseLineCols - 1) / kSparseLineCols;
}

namespace scalar {

std::size_t sparse_packed_bytes(std::int64_t rows, std::int64_t cols) noexcept;
void sparse_pack(const std::int8_t* trits, std::int64_t begin, std::int64_t end, std::int64_t cols,
                 std::uint8_t* packed) noexcept;
void sparse_unpack_row(const TernaryMatrix& w, std::int64_t row, std::int8_t* trits) noexcept;

}  // namespace scalar
}  // namespace tern::kernels
