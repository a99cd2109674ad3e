#include <bit>
#include <cstring>

#include "kernels/float16.h"
#include "kernels/half/half.h"
#include "kernels/half/layout.h"

namespace tern::kernels::scalar {
namespace {

// How one weight lies in memory and what it means.
struct F16 {
  using Element = std::uint16_t;
  static float to_f32(Element e) noexcept { return f16_to_f32(e); }
};
struct Bf16 {
  using Element = std::uint16_t;
  static float to_f32(Element e) noexcept { return bf16_to_f32(e); }
};
struct F32 {
  using Element = std::uint32_t;
  static float to_f32(Element e) noexcept { return std::bit_cast<float>(e); }
};

template <class Type>
const typename Type::Element* panel_of(const HalfMatrix& w, std::int64_t row) noexcept {
  return static_cast<const typename Type::Element*>(w.packed) +
         row / kHalfPanelRows * (kHalfPanelRows * w.cols);
}

// Rows [first, first + rows) of one panel, k ascending; the chains of all rows advance together.
template <class Type>
void panel_gemv(const HalfMatrix& w, const float* x, float* y, std::int64_t first,
                std::int64_t rows) noexcept {
  const auto* panel = panel_of<Type>(w, first);
  float acc[kHalfPanelRows] = {};
  for (std::int64_t k = 0; k < w.cols; ++k) {
    for (std::int64_t r = 0; r < rows; ++r) {
      acc[r] = __builtin_fmaf(Type::to_f32(panel[k * kHalfPanelRows + r]), x[k], acc[r]);
    }
  }
  for (std::int64_t r = 0; r < rows; ++r) y[first + r] = acc[r] * w.scale;
}

template <class Type>
void gemm_of(const HalfMatrix& w, const float* x, std::int64_t x_stride, std::int64_t tokens,
             float* y, std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  for (std::int64_t row = begin; row < end; row += kHalfPanelRows) {
    const std::int64_t rows = end - row < kHalfPanelRows ? end - row : kHalfPanelRows;
    for (std::int64_t t = 0; t < tokens; ++t) {
      panel_gemv<Type>(w, x + t * x_stride, y + t * y_stride, row, rows);
    }
  }
}

void gemm(const HalfMatrix& w, const float* x, std::int64_t x_stride, std::int64_t tokens, float* y,
          std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  switch (w.type) {
    case HalfType::kF16:
      return gemm_of<F16>(w, x, x_stride, tokens, y, y_stride, begin, end);
    case HalfType::kBf16:
      return gemm_of<Bf16>(w, x, x_stride, tokens, y, y_stride, begin, end);
    case HalfType::kF32:
      return gemm_of<F32>(w, x, x_stride, tokens, y, y_stride, begin, end);
  }
}

void gemv(const HalfMatrix& w, const float* x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  gemm(w, x, 0, 1, y, 0, begin, end);
}

// Transposes one panel in strips of columns, so that the strip being written stays in L1.
template <class Element>
void pack_panel(const unsigned char* weights, std::int64_t rows, std::int64_t cols,
                Element* panel) noexcept {
  constexpr std::int64_t kStrip = 64 / static_cast<std::int64_t>(sizeof(Element));
  for (std::int64_t k0 = 0; k0 < cols; k0 += kStrip) {
    const std::int64_t n = cols - k0 < kStrip ? cols - k0 : kStrip;
    Element* out = panel + k0 * kHalfPanelRows;
    for (std::int64_t r = 0; r < kHalfPanelRows; ++r) {
      Element strip[kStrip] = {};
      if (r < rows) {
        std::memcpy(strip, weights + static_cast<std::size_t>(r * cols + k0) * sizeof(Element),
                    static_cast<std::size_t>(n) * sizeof(Element));
      }
      for (std::int64_t k = 0; k < n; ++k) out[k * kHalfPanelRows + r] = strip[k];
    }
  }
}

template <class Element>
void pack_rows(const void* weights, std::int64_t begin, std::int64_t end, std::int64_t rows,
               std::int64_t cols, void* packed) noexcept {
  const auto* in = static_cast<const unsigned char*>(weights);
  auto* out = static_cast<Element*>(packed);
  for (std::int64_t row = begin; row < end; row += kHalfPanelRows) {
    const std::int64_t left = rows - row;
    pack_panel(in + static_cast<std::size_t>((row - begin) * cols) * sizeof(Element),
               left < kHalfPanelRows ? left : kHalfPanelRows, cols,
               out + row / kHalfPanelRows * (kHalfPanelRows * cols));
  }
}

template <class Type>
void unpack_row_of(const HalfMatrix& w, std::int64_t row, float* out) noexcept {
  const auto* column = panel_of<Type>(w, row) + row % kHalfPanelRows;
  for (std::int64_t k = 0; k < w.cols; ++k) out[k] = Type::to_f32(column[k * kHalfPanelRows]);
}

std::int64_t peak(std::int64_t rounds) noexcept {
  volatile const float one = 1.0f;
  float sum = 0.0f;
  for (std::int64_t round = 0; round < rounds; ++round) sum = __builtin_fmaf(one, one, sum);
  return static_cast<std::int64_t>(sum);
}

}  // namespace

std::size_t half_packed_bytes(HalfType type, std::int64_t rows, std::int64_t cols) noexcept {
  const std::int64_t panels = (rows + kHalfPanelRows - 1) / kHalfPanelRows;
  return static_cast<std::size_t>(panels * kHalfPanelRows) *
         static_cast<std::size_t>(cols * half_element_bytes(type));
}

void half_pack(HalfType type, const void* weights, std::int64_t begin, std::int64_t end,
               std::int64_t rows, std::int64_t cols, void* packed) noexcept {
  if (type == HalfType::kF32)
    return pack_rows<std::uint32_t>(weights, begin, end, rows, cols, packed);
  pack_rows<std::uint16_t>(weights, begin, end, rows, cols, packed);
}

void half_unpack_row(const HalfMatrix& w, std::int64_t row, float* out) noexcept {
  switch (w.type) {
    case HalfType::kF16:
      return unpack_row_of<F16>(w, row, out);
    case HalfType::kBf16:
      return unpack_row_of<Bf16>(w, row, out);
    case HalfType::kF32:
      return unpack_row_of<F32>(w, row, out);
  }
}

constinit const HalfKernels kHalf = {
    kHalfPanelRows, true, half_packed_bytes, half_pack, half_unpack_row, gemv, gemm, peak, peak};

}  // namespace tern::kernels::scalar
