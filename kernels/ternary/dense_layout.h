#pragma once
// Sizes, addresses and code tables of the packed layout "t5" (see ternary.h), shared by the files
// of this folder. Packing is portable, as in layout.h.

#include <cstddef>
#include <cstdint>

#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels {

constexpr std::int64_t kDenseGroup = 5;   // lines of layout t2 ...
constexpr std::int64_t kDenseStored = 4;  // ... stored in this many

// Static, not inline: see check.h.
[[maybe_unused]] static std::int64_t dense_block_bytes(std::int64_t cols) noexcept {
  const std::int64_t lines = ternary_lines(cols);
  return (lines - lines / kDenseGroup) * kTernaryLineBytes;
}

// Both directions between a stored byte and its five codes.
struct DenseCodes {
  alignas(64) std::uint8_t t2[256] = {};     // a stored byte: its t2 byte
  alignas(64) std::uint8_t fifth[256] = {};  // a stored byte: the fifth code, times 64
  std::uint8_t stored[3][256] = {};          // [fifth code][t2 byte]: the stored byte
};

static constexpr DenseCodes make_dense_codes() noexcept {
  DenseCodes codes;
  int rare = 0;
  for (int high = 0; high < 9; ++high) {
    for (int low = 0; low < 9; ++low) {
      const bool common = high < 8 && low < 8;
      const int t2 = (low % 3) | (low / 3) << 2 | (high % 3) << 4 | (high / 3) << 6;
      for (int fifth = 0; fifth < 3; ++fifth) {
        const int stored = common ? 64 * fifth + 8 * high + low : 192 + 3 * rare + fifth;
        codes.t2[stored] = static_cast<std::uint8_t>(t2);
        codes.fifth[stored] = static_cast<std::uint8_t>(64 * fifth);
        codes.stored[fifth][t2] = static_cast<std::uint8_t>(stored);
      }
      if (!common) ++rare;
    }
  }
  return codes;
}

static constexpr DenseCodes kDenseCodes = make_dense_codes();

namespace scalar {

std::size_t dense_packed_bytes(std::int64_t rows, std::int64_t cols) noexcept;
void dense_pack(const std::int8_t* trits, std::int64_t begin, std::int64_t end, std::int64_t rows,
                std::int64_t cols, std::uint8_t* packed) noexcept;
void dense_unpack_row(const TernaryMatrix& w, std::int64_t row, std::int8_t* trits) noexcept;

}  // namespace scalar
}  // namespace tern::kernels
