#pragma once
// Sizes and addresses of the panels of half.h, shared by the files of this folder. Packing and
// unpacking single rows run at load and once per token: every row of the table uses the portable
// implementation.

#include <cstddef>
#include <cstdint>

#include "kernels/half/half.h"

namespace tern::kernels {

constexpr std::int64_t kHalfPanelRows = 64;

// Static, not inline: see check.h.
[[maybe_unused]] static std::int64_t half_element_bytes(HalfType type) noexcept {
  return type == HalfType::kF32 ? 4 : 2;
}

namespace scalar {

std::size_t half_packed_bytes(HalfType type, std::int64_t rows, std::int64_t cols) noexcept;
void half_pack(HalfType type, const void* weights, std::int64_t begin, std::int64_t end,
               std::int64_t rows, std::int64_t cols, void* packed) noexcept;
void half_unpack_row(const HalfMatrix& w, std::int64_t row, float* out) noexcept;

}  // namespace scalar
}  // namespace tern::kernels
