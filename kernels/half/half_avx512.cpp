// One fma chain per output, lanes across rows. A tile is V vectors of rows times T tokens, V * T
// chains in flight; a tile of one token reads a whole panel at the speed of memory. Everything here
// has internal linkage or is an intrinsic (see check.h).

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands in its own header for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "kernels/half/half.h"
#include "kernels/half/layout.h"

namespace tern::kernels::avx512 {
namespace {

constexpr std::int64_t kLanes = 16;
constexpr int kPanelVectors = 4;

struct F16 {
  using Element = std::uint16_t;
  static __m512 load(const Element* p) noexcept {
    return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
  }
};
struct Bf16 {
  using Element = std::uint16_t;
  static __m512 load(const Element* p) noexcept {
    const __m256i half = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
  }
};
struct F32 {
  using Element = float;
  static __m512 load(const Element* p) noexcept { return _mm512_load_ps(p); }
};

void store_rows(float* y, __m512 acc, float scale, std::int64_t rows) noexcept {
  const __m512 value = _mm512_mul_ps(acc, _mm512_set1_ps(scale));
  if (rows >= kLanes) {
    _mm512_storeu_ps(y, value);
  } else if (rows > 0) {
    _mm512_mask_storeu_ps(y, static_cast<__mmask16>((1u << rows) - 1u), value);
  }
}

// V vectors of rows against T tokens. w points at the first of the rows in its panel, y at the same
// row of the first token; `rows` of them exist.
template <class Type, int V, int T>
void tile(const typename Type::Element* w, std::int64_t cols, const float* x, std::int64_t x_stride,
          float* y, std::int64_t y_stride, float scale, std::int64_t rows) noexcept {
  __m512 acc[T][V];
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[t][v] = _mm512_setzero_ps();
  }
  for (std::int64_t k = 0; k < cols; ++k) {
    __m512 weights[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) weights[v] = Type::load(w + k * kHalfPanelRows + v * kLanes);
#pragma GCC unroll 12
    for (int t = 0; t < T; ++t) {
      const __m512 b = _mm512_set1_ps(x[t * x_stride + k]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[t][v] = _mm512_fmadd_ps(weights[v], b, acc[t][v]);
    }
  }
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
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
    if (left >= 12) {
      panel_tile<Type, 2, 12>(panel, cols, xt, x_stride, yt, y_stride, scale, rows);
      t += 12;
    } else if (left >= 6) {
      panel_tile<Type, 4, 6>(panel, cols, xt, x_stride, yt, y_stride, scale, rows);
      t += 6;
    } else if (left >= 4) {
      panel_tile<Type, 4, 4>(panel, cols, xt, x_stride, yt, y_stride, scale, rows);
      t += 4;
    } else if (left >= 2) {
      panel_tile<Type, 4, 2>(panel, cols, xt, x_stride, yt, y_stride, scale, rows);
      t += 2;
    } else {
      panel_tile<Type, 4, 1>(panel, cols, xt, x_stride, yt, y_stride, scale, rows);
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

}  // namespace tern::kernels::avx512
