#pragma once
// Products of a few rows of an F16 or BF16 matrix with binary32 activations: sparse.h for the float
// twins of a ternary model, so that a baseline is spared the same zeros.
//
// Arithmetic: that of half.h, so dot_rows makes what HalfKernels::gemv makes of the same rows.
// add_rows leaves out of each chain the terms of rows that are not listed, which is right where
// their activations are +0 or -0: such a term is a zero, and adding it returns what was there. The
// one exception is a sum that is -0, which +0 would turn into +0. A chain starts at +0, +0 + -0 and
// v - v are +0, so it can only get there where a negative sum that is not zero rounds to zero. With
// integers for weights (a twin has -1, 0 and 1) every sum is a multiple of the smallest denormal
// before it is rounded, and none is lost: the bits are those of the complete chain. Weights below 1
// would promise that but for the sign of a zero.
//
// Packed layout: row after row as they are, each padded with zeros to lines of 64 bytes. `up` is
// packed as it is, `down` transposed, as in sparse.h.

#include <cstddef>
#include <cstdint>

#include "kernels/half/half.h"

namespace tern::kernels {

// Columns of a line: where ranges of columns begin.
inline constexpr std::int64_t kSparseHalfLineCols = 32;

// All functions: pure, no allocation, safe to call from many threads on different outputs. Matrices
// are in the layout above, kF16 or kBf16.
struct SparseHalfKernels {
  std::size_t (*packed_bytes)(std::int64_t rows, std::int64_t cols) noexcept;

  // weights: (end - begin, cols), the bits of either type: rows [begin, end) of the matrix.
  void (*pack)(const std::uint16_t* weights, std::int64_t begin, std::int64_t end,
               std::int64_t cols, void* packed) noexcept;

  // y[r] for the `count` rows r of `list`. x: (w.cols).
  void (*dot_rows)(const HalfMatrix& w, const float* x, const std::int32_t* list,
                   std::int64_t count, float* y) noexcept;

  // y[c] = (fma chain over the `count` rows r of `list`, in their order, from +0, of
  // float(w[r][c]) * x[r]) * scale for c in [begin, end). x: (w.rows). begin: a multiple of
  // kSparseHalfLineCols.
  void (*add_rows)(const HalfMatrix& w, const float* x, const std::int32_t* list,
                   std::int64_t count, std::int64_t begin, std::int64_t end, float* y) noexcept;
};

namespace scalar {
extern const SparseHalfKernels kSparseHalf;

// For every row of the table: packing runs once per model at load.
std::size_t sparse_half_packed_bytes(std::int64_t rows, std::int64_t cols) noexcept;
void sparse_half_pack(const std::uint16_t* weights, std::int64_t begin, std::int64_t end,
                      std::int64_t cols, void* packed) noexcept;
}  // namespace scalar
namespace avx512 {
extern const SparseHalfKernels kSparseHalf;
}

// Elements from one row to the next. Static, not inline: see check.h.
[[maybe_unused]] static std::int64_t sparse_half_stride(std::int64_t cols) noexcept {
  return (cols + kSparseHalfLineCols - 1) / kSparseHalfLineCols * kSparseHalfLineCols;
}

}  // namespace tern::kernels
