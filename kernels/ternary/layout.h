#pragma once
// Sizes and addresses of the packed layout "t2" (see ternary.h), shared by the files of this
// folder. Packing runs once per model at load, so every row of the table uses the portable
// implementation.

#include <cstddef>
#include <cstdint>

#include "kernels/ternary/ternary.h"

namespace tern::kernels {

constexpr std::int64_t kTernaryRowBlock = 16;
constexpr std::int64_t kTernaryLineCols = 16;
constexpr std::int64_t kTernaryLineBytes = 64;

// Static, not inline: see check.h.
[[maybe_unused]] static std::int64_t ternary_lines(std::int64_t cols) noexcept {
  return (cols + kTernaryLineCols - 1) / kTernaryLineCols;
}

namespace scalar {

std::size_t ternary_packed_bytes(std::int64_t rows, std::int64_t cols) noexcept;
void ternary_pack(const std::int8_t* trits, std::int64_t begin, std::int64_t end, std::int64_t rows,
                  std::int64_t cols, std::uint8_t* packed) noexcept;
void ternary_unpack_row(const TernaryMatrix& w, std::int64_t row, std::int8_t* trits) noexcept;
std::int64_t ternary_peak(std::int64_t rounds) noexcept;

// Bytes of one row in a line of layout t2, as a little-endian word, from the trits of the line's
// columns; `count` of them exist.
std::uint32_t ternary_pack_word(const std::int8_t* trits, std::int64_t count) noexcept;
constexpr std::uint32_t kTernaryZeroWord = 0x55555555;  // all codes 1

}  // namespace scalar
}  // namespace tern::kernels
