#pragma once
// Float weights (F16, BF16 or F32 in memory) times binary32 activations: the FP16 baseline,
// embeddings and the output head.
//
// Arithmetic: y[r] = (fma chain over k ascending, from +0, of float(w[r][k]) * x[k]) * scale. SIMD
// lanes run across rows, never across k, so vector width, tiles, batch and threads cannot change a
// bit.
//
// Packed layout: panels of 64 rows; panel element [k][r] (64 consecutive weights per k), missing
// rows 0.

#include <cstddef>
#include <cstdint>

namespace tern::kernels {

enum class HalfType : std::uint8_t { kF16, kBf16, kF32 };

// A matrix of shape (rows, cols), packed. `scale` multiplies every output: a ternary matrix
// dequantised to F16 keeps its binary32 scale exact this way; 1 otherwise.
struct HalfMatrix {
  const void* packed;  // packed_bytes(type, rows, cols), 64-byte aligned
  HalfType type;
  std::int64_t rows;
  std::int64_t cols;
  float scale;
};

// All functions: pure, no allocation, safe to call from many threads on disjoint row ranges.
// Row ranges [begin, end) start on a multiple of row_block and end on one or at `rows`.
struct HalfKernels {
  std::int64_t row_block;

  // The arithmetic above for every type. False: BF16 has another (half_*bf16.cpp).
  bool exact;

  std::size_t (*packed_bytes)(HalfType type, std::int64_t rows, std::int64_t cols) noexcept;

  // weights: (end - begin, cols) row-major in `type`, any alignment: rows [begin, end). Writes
  // their panels.
  void (*pack)(HalfType type, const void* weights, std::int64_t begin, std::int64_t end,
               std::int64_t rows, std::int64_t cols, void* packed) noexcept;

  // One row as binary32 (cols), without `scale`: the embedding look-up.
  void (*unpack_row)(const HalfMatrix& w, std::int64_t row, float* out) noexcept;

  // y[r] for r in [begin, end), y indexed from row 0; x: (cols).
  void (*gemv)(const HalfMatrix& w, const float* x, float* y, std::int64_t begin,
               std::int64_t end) noexcept;

  // y[t * y_stride + r] for t in [0, tokens); x: (tokens, x_stride).
  void (*gemm)(const HalfMatrix& w, const float* x, std::int64_t x_stride, std::int64_t tokens,
               float* y, std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept;

  // The limit of gemm, as TernaryKernels::peak: binary32 fma between registers, for at most 2^19
  // rounds; returns the multiply-adds done, counted by the sums.
  std::int64_t (*peak)(std::int64_t rounds) noexcept;

  // The same for BF16 weights: another figure where BF16 has instructions of its own.
  std::int64_t (*peak_bf16)(std::int64_t rounds) noexcept;
};

namespace scalar {
extern const HalfKernels kHalf;
}
namespace avx2 {
extern const HalfKernels kHalf;
}
namespace avx512 {
extern const HalfKernels kHalf;
extern const HalfKernels kHalfInTurn;  // its gemv: see kernels/simd/reading.h
}  // namespace avx512
namespace avx512bf16 {
extern const HalfKernels kHalf;  // not exact
extern const HalfKernels kHalfInTurn;
}  // namespace avx512bf16
namespace amxbf16 {
extern const HalfKernels kHalf;  // not exact
}
namespace neon {
extern const HalfKernels kHalf;
}

}  // namespace tern::kernels
