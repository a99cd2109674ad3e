// One fma chain per output, lanes across rows. A tile is V vectors of rows times T tokens, V * T
// chains in flight; a tile of one token reads a whole panel at the speed of memory. Everything here
// has internal linkage or is an intrinsic (see check.h).

#include <arm_neon.h>

#include "kernels/half/half.h"
#include "kernels/half/layout.h"

namespace tern::kernels::neon {
namespace {

constexpr std::int64_t kLanes = 4;
constexpr int kPanelVectors = 16;

struct F16 {
  using Element = std::uint16_t;
  static float32x4_t load(const Element* p) noexcept {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
  }
};
struct Bf16 {
  using Element = std::uint16_t;
  static float32x4_t load(const Element* p) noexcept {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
  }
};
struct F32 {
  using Element = float;
  static float32x4_t load(const Element* p) noexcept { return vld1q_f32(p); }
};

void store_rows(float* y, float32x4_t acc, float scale, std::int64_t rows) noexcept {
  const float32x4_t value = vmulq_f32(acc, vdupq_n_f32(scale));
  if (rows >= kLanes) {
    vst1q_f32(y, value);
    return;
  }
  float lanes[kLanes];
  vst1q_f32(lanes, value);
  for (std::int64_t r = 0; r < kLanes; ++r) {
    if (r < rows) y[r] = lanes[r];
  }
}

// V vectors of rows against T tokens. w points at the first of the rows in its panel, y at the same
// row of the first token; `rows` of them exist.
template <class Type, int V, int T>
void tile(const typename Type::Element* w, std::int64_t cols, const float* x, std::int64_t x_stride,
          float* y, std::int64_t y_stride, float scale, std::int64_t rows) noexcept {
  float32x4_t acc[T][V];
#pragma GCC unroll 6
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) acc[t][v] = vdupq_n_f32(0.0f);
  }
  for (std::int64_t k = 0; k < cols; ++k) {
    float32x4_t weights[V];
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) weights[v] = Type::load(w + k * kHalfPanelRows + v * kLanes);
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t) {
      const float32x4_t b = vdupq_n_f32(x[t * x_stride + k]);
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) acc[t][v] = vfmaq_f32(acc[t][v], weights[v], b);
    }
  }
#pragma GCC unroll 6
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) {
      store_rows(y + t * y_stride + v * kLanes, acc[t][v], scale, rows - v * kLanes);
    }
  }
}

// T tokens against a whole panel, V vectors of rows at a time.
template <class Type, int V, int T>
void panel_tile(const typename Type::Element* panel, std::int64_t cols, const float* x,
                std::int64_t x_stride, float* y, std::int64_t y_stride, float scale,
                std::int64_t rows) noexcept {
  for (std::int64_t r = 0; r < kPanelVectors * kLanes && r < rows; r += V * kLanes) {
    tile<Type, V, T>(panel + r, cols, x, x_stride, y + r, y_stride, scale, rows - r);
  }
}

template <class Type>
void panel_gemm(const typename Type::Element* panel, std::int64_t cols, const float* x,
                std::int64_t x_stride, std::int64_t tokens, float* y, std::int64_t y_stride,
                float scale, std::int64_t rows) noexcept {
  for (std::int64_t t = 0; t < tokens;) {
    const std::int64_t left = tokens - t;
    const float* xt = x + t * x_stride;
    float* yt = y + t * y_stride;
    if (left >= 6) {
      panel_tile<Type, 4, 6>(panel, cols, xt, x_stride, yt, y_stride, scale, rows);
      t += 6;
    } else if (left >= 4) {
      panel_tile<Type, 4, 4>(panel, cols, xt, x_stride, yt, y_stride, scale, rows);
      t += 4;
    } else if (left >= 2) {
      panel_tile<Type, 8, 2>(panel, cols, xt, x_stride, yt, y_stride, scale, rows);
      t += 2;
    } else {
      panel_tile<Type, 16, 1>(panel, cols, xt, x_stride, yt, y_stride, scale, rows);
      t += 1;
    }
  }
}

template <class Type>
void gemm_of(const HalfMatrix& w, const float* x, std::int64_t x_stride, std::int64_t tokens,
             float* y, std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  const auto* packed = static_cast<const typename Type::Element*>(w.packed);
  for (std::int64_t row = begin; row < end; row += kHalfPanelRows) {
    panel_gemm<Type>(packed + row * w.cols, w.cols, x, x_stride, tokens, y + row, y_stride, w.scale,
                     end - row);
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

}  // namespace

constinit const HalfKernels kHalf = {kHalfPanelRows,
                                     scalar::half_packed_bytes,
                                     scalar::half_pack,
                                     scalar::half_unpack_row,
                                     gemv,
                                     gemm};

}  // namespace tern::kernels::neon
