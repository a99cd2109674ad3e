#include "kernels/half/bf16_layout.h"

#include <algorithm>
#include <cstring>

#include "kernels/half/layout.h"

namespace tern::kernels::scalar {
namespace {

static_assert(kBf16RowBlock == kHalfPanelRows && kBf16RowBlock % kBf16PanelRows == 0);

constexpr std::int64_t kElementBytes = 2;
constexpr std::int64_t kStripPairs = 16;

std::int64_t padded(std::int64_t rows) noexcept {
  return (rows + kBf16RowBlock - 1) / kBf16RowBlock * kBf16RowBlock;
}

// Transposes one panel in strips of columns, so that the strip being written stays in L1.
void pack_panel(const unsigned char* weights, std::int64_t rows, std::int64_t cols,
                Bf16Pair* out) noexcept {
  for (std::int64_t k = 0; k < cols; k += 2 * kStripPairs, out += kStripPairs * kBf16PanelRows) {
    const std::int64_t n = std::min(cols - k, 2 * kStripPairs);
    for (std::int64_t r = 0; r < kBf16PanelRows; ++r) {
      Bf16Pair strip[kStripPairs] = {};
      if (r < rows) {
        std::memcpy(strip, weights + (r * cols + k) * kElementBytes,
                    static_cast<std::size_t>(n * kElementBytes));
      }
      for (std::int64_t i = 0; i < bf16_pairs(n); ++i) out[i * kBf16PanelRows + r] = strip[i];
    }
  }
}

}  // namespace

std::size_t bf16_packed_bytes(HalfType type, std::int64_t rows, std::int64_t cols) noexcept {
  if (type != HalfType::kBf16) return half_packed_bytes(type, rows, cols);
  return static_cast<std::size_t>(padded(rows) * bf16_pairs(cols)) * sizeof(Bf16Pair);
}

void bf16_pack(HalfType type, const void* weights, std::int64_t begin, std::int64_t end,
               std::int64_t rows, std::int64_t cols, void* packed) noexcept {
  if (type != HalfType::kBf16) return half_pack(type, weights, begin, end, rows, cols, packed);
  const auto* in = static_cast<const unsigned char*>(weights);
  auto* out = static_cast<Bf16Pair*>(packed);
  for (std::int64_t row = begin; row < padded(end); row += kBf16PanelRows) {
    pack_panel(in + (row - begin) * cols * kElementBytes, std::min(rows - row, kBf16PanelRows),
               cols, out + row * bf16_pairs(cols));
  }
}

void bf16_unpack_row(const HalfMatrix& w, std::int64_t row, float* out) noexcept {
  if (w.type != HalfType::kBf16) return half_unpack_row(w, row, out);
  const Bf16Pair* pair = static_cast<const Bf16Pair*>(w.packed) +
                         row / kBf16PanelRows * (kBf16PanelRows * bf16_pairs(w.cols)) +
                         row % kBf16PanelRows;
  for (std::int64_t k = 0; k < w.cols; ++k) {
    const Bf16Pair both = pair[k / 2 * kBf16PanelRows];
    const Bf16Pair bits = k % 2 == 0 ? both << 16 : both & 0xffff0000u;
    std::memcpy(out + k, &bits, sizeof bits);
  }
}

}  // namespace tern::kernels::scalar
