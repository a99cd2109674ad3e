#pragma once
// Products of a few rows of a ternary matrix with int8 activations: what is left of a feed-forward
// network when most of its activations are zero. A row is contiguous here, so that a row nobody
// lists is not read; the layouts of ternary.h interleave sixteen. Sums are exact in int32, so they
// are those of ternary.h, whatever the order.
//
// Packed layout "r2", 2 bits a weight: row after row, each in lines of 64 bytes. Byte b of line l
// holds, in bits 2j and 2j+1, the code (trit + 1) of column 256 l + 64 j + b. Missing columns hold
// code 1 (zero).
//
// Two matrices with one shape (ffn, hidden) use it: `up` as it is, whose listed rows are dot
// products, and `down` transposed, whose listed rows are added up.

#include <cstddef>
#include <cstdint>

#include "kernels/ternary/ternary.h"

namespace tern::kernels {

// Columns of a line: sums of rows are padded to a multiple.
inline constexpr std::int64_t kSparseLineCols = 256;

// All functions: pure, no allocation, safe to call from many threads on different outputs.
struct SparseKernels {
  std::size_t (*packed_bytes)(std::int64_t rows, std::int64_t cols) noexcept;

  // trits: (end - begin, cols), each -1, 0 or 1: rows [begin, end) of the matrix.
  void (*pack)(const std::int8_t* trits, std::int64_t begin, std::int64_t end, std::int64_t cols,
               std::uint8_t* packed) noexcept;

  // The inverse, one row: trits (cols).
  void (*unpack_row)(const TernaryMatrix& w, std::int64_t row, std::int8_t* trits) noexcept;

  // Lists the i in [begin, end) with x[i] > 0, ascending; `list` has room for all. Returns how
  // many.
  std::int64_t (*list_positive)(const float* x, std::int64_t begin, std::int64_t end,
                                std::int32_t* list) noexcept;

  // The same for q[i] != 0, and for x[i] != 0.
  std::int64_t (*list_nonzero)(const std::int8_t* q, std::int64_t begin, std::int64_t end,
                               std::int32_t* list) noexcept;
  std::int64_t (*list_nonzero_f32)(const float* x, std::int64_t begin, std::int64_t end,
                                   std::int32_t* list) noexcept;

  // y[r] for the `count` rows r of `list`, as TernaryKernels::gemv defines it. x.tokens must be 1.
  void (*dot_rows)(const TernaryMatrix& w, const QuantizedBatch& x, const std::int32_t* list,
                   std::int64_t count, float* y) noexcept;

  // sums[c] = sum of (trit[r][c] + 1) * q[r] over the `count` <= kMaxTernaryCols rows r of `list`.
  // q: (w.rows), any int8 value. sums: (cols, padded to whole lines), 64-byte aligned.
  void (*add_rows)(const TernaryMatrix& w, const std::int8_t* q, const std::int32_t* list,
                   std::int64_t count, std::int32_t* sums) noexcept;

  // y[c] = float(parts[0][c] + ... - q_sum) * scale for c in [begin, end), the integers exact: what
  // add_rows made of some lists, together. parts: (count, stride). q_sum: of q over all lists.
  void (*merge_sums)(const std::int32_t* parts, std::int64_t count, std::int64_t stride,
                     std::int32_t q_sum, float scale, std::int64_t begin, std::int64_t end,
                     float* y) noexcept;
};

namespace scalar {
extern const SparseKernels kSparse;
}
namespace avx512vnni {
extern const SparseKernels kSparse;
}

}  // namespace tern::kernels
