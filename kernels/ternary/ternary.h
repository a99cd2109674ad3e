#pragma once
// Int8 activations times ternary weights, accumulated exactly in int32, so that every
// implementation agrees with scalar bit for bit in any order of summation.
//
// Packed layout "t2", 2 bits a weight (layouts belong to the kernels, never to a file):
// 16 matrix rows form a row block; 16 columns of it form one 64-byte line. Line byte 4*r + c holds,
// in bits 2j and 2j+1, the code (trit + 1) of row r and column 16*line + 4*j + c, for j, c in 0..3.
// A shift and a mask thus turn one line into four registers of "16 rows x 4 columns" of unsigned
// bytes, the operand of VPDPBUSD / SDOT with four broadcast activations, and no horizontal add is
// needed. Missing rows and columns hold code 1 (zero). Blocks follow each other; lines of a block
// are contiguous.
//
// Packed layout "t5", 1.6 bits a weight: the lines of a block in groups of five, each group stored
// in four lines; the lines % 5 behind the last group are stored as they are. Byte b of stored line
// i holds byte b of t2 line i (codes c0 to c3) and the fifth code c4, which is code j = i of byte b
// of t2 line 4. With the pairs low = c0 + 3 c1 and high = c2 + 3 c3 it is 64 c4 + 8 high + low
// where neither pair is 8; the other 17 combinations, counted with `low` running fastest, are 192 +
// 3 count + c4. So a table of 64 entries and the top two bits decode three bytes in four, and two
// more such tables the rest: half the instructions of a table of 256 entries.
//
// Arithmetic (BitNet b1.58, W1.58A8): y[r] = float(sum_k trit[r][k] * q[k]) * scale, one rounding
// of the int32 to binary32 and one multiplication; the caller passes scale = weight_scale /
// activation_scale. Kernels compute the sum as sum(code * q) - sum(q); the second sum comes with
// the quantised row.

#include <cstddef>
#include <cstdint>

namespace tern::kernels {

// Quantised rows are 64-byte aligned and zero-padded to a multiple of this many columns.
inline constexpr std::int64_t kQuantizedAlign = 64;

// |sum| <= cols * 2 * 128 must fit int32.
inline constexpr std::int64_t kMaxTernaryCols = std::int64_t{1} << 22;

inline constexpr std::int64_t kMaxPeakRounds = std::int64_t{1} << 19;

// A matrix of shape (rows, cols) in the layout of the kernels that packed it.
struct TernaryMatrix {
  const std::uint8_t* packed;  // packed_bytes(rows, cols), 64-byte aligned
  std::int64_t rows;
  std::int64_t cols;
};

// A batch of quantised activation rows.
struct QuantizedBatch {
  const std::int8_t* q;      // (tokens, stride); any int8 value, -128 included
  std::int64_t stride;       // a multiple of kQuantizedAlign, >= cols; zeros behind cols
  const std::int32_t* sums;  // (tokens): sum of each row of q
  const float* scales;       // (tokens): weight_scale / activation_scale of each row
  std::int64_t tokens;
};

// All functions: pure, no allocation, safe to call from many threads on disjoint row ranges.
// Row ranges [begin, end) start on a multiple of row_block and end on one or at `rows`.
struct TernaryKernels {
  std::int64_t row_block;

  std::size_t (*packed_bytes)(std::int64_t rows, std::int64_t cols) noexcept;

  // trits: (end - begin, cols), each -1, 0 or 1: rows [begin, end) of the matrix. Writes their
  // blocks.
  void (*pack)(const std::int8_t* trits, std::int64_t begin, std::int64_t end, std::int64_t rows,
               std::int64_t cols, std::uint8_t* packed) noexcept;

  // The inverse, one row: trits (cols).
  void (*unpack_row)(const TernaryMatrix& w, std::int64_t row, std::int8_t* trits) noexcept;

  // y[r] for r in [begin, end), y indexed from row 0. x.tokens must be 1.
  void (*gemv)(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t begin,
               std::int64_t end) noexcept;

  // y[t * y_stride + r] for every token t and r in [begin, end).
  void (*gemm)(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t y_stride,
               std::int64_t begin, std::int64_t end) noexcept;

  // The limit of gemm: `rounds` (at most kMaxPeakRounds) of this row's dot product between
  // registers, as many chains as hide its latency. Returns the multiply-adds done, which the sums
  // themselves have counted.
  std::int64_t (*peak)(std::int64_t rounds) noexcept;
};

// kTernary works on layout t2, kTernaryDense on t5: the same numbers, bit for bit.
namespace scalar {
extern const TernaryKernels kTernary;
extern const TernaryKernels kTernaryDense;
}  // namespace scalar
namespace avx2 {
extern const TernaryKernels kTernary;
}
namespace avxvnni {
extern const TernaryKernels kTernary;
}
// "InTurn": gemv reads one row block after the other (kernels/simd/reading.h).
namespace avx512vnni {
extern const TernaryKernels kTernary;
extern const TernaryKernels kTernaryInTurn;
}  // namespace avx512vnni
namespace amx {
extern const TernaryKernels kTernary;
extern const TernaryKernels kTernaryDense;
}  // namespace amx
namespace avx512vbmi {
extern const TernaryKernels kTernaryDense;
extern const TernaryKernels kTernaryDenseInTurn;
}  // namespace avx512vbmi
namespace neon {
extern const TernaryKernels kTernary;
}
namespace dotprod {
extern const TernaryKernels kTernary;
}
namespace i8mm {
extern const TernaryKernels kTernary;
}

}  // namespace tern::kernels
