// Layout t5 (ternary.h) by the plain rules: find the t2 byte of a column, then its code.

#include <cstring>

#include "kernels/ternary/dense_layout.h"

namespace tern::kernels::scalar {
namespace {

// The four bytes of one row in each t2 line of a group, into the four stored lines at `out`.
void store_group(const std::uint32_t (&words)[kDenseGroup], std::uint8_t* out) noexcept {
  for (std::int64_t i = 0; i < kDenseStored; ++i, out += kTernaryLineBytes) {
    for (int c = 0; c < 4; ++c) {
      const auto fifth = (words[4] >> (8 * c + 2 * i)) & 3;
      out[c] = kDenseCodes.stored[fifth][(words[i] >> (8 * c)) & 0xff];
    }
  }
}

// One row of a block; trits: (cols), null for a row that does not exist.
void pack_row(const std::int8_t* trits, std::int64_t cols, std::uint8_t* out) noexcept {
  const std::int64_t lines = ternary_lines(cols);
  const auto word_of = [&](std::int64_t line) {
    const std::int64_t k = line * kTernaryLineCols;
    return trits != nullptr ? ternary_pack_word(trits + k, cols - k) : kTernaryZeroWord;
  };
  std::int64_t line = 0;
  for (; line + kDenseGroup <= lines; line += kDenseGroup) {
    std::uint32_t words[kDenseGroup];
    for (std::int64_t i = 0; i < kDenseGroup; ++i) words[i] = word_of(line + i);
    store_group(words, out);
    out += kDenseStored * kTernaryLineBytes;
  }
  for (; line < lines; ++line, out += kTernaryLineBytes) {
    const std::uint32_t word = word_of(line);
    std::memcpy(out, &word, sizeof word);
  }
}

// The code (trit + 1) of `row` and column k.
int code_at(const TernaryMatrix& w, std::int64_t row, std::int64_t k) noexcept {
  const std::int64_t line = k / kTernaryLineCols;
  const std::int64_t group = line / kDenseGroup;
  const std::int64_t i = line % kDenseGroup;
  const std::int64_t j = k % kTernaryLineCols / 4;
  const std::uint8_t* bytes = w.packed + row / kTernaryRowBlock * dense_block_bytes(w.cols) +
                              row % kTernaryRowBlock * 4 + k % 4;
  const auto byte_of = [&](std::int64_t stored) { return bytes[stored * kTernaryLineBytes]; };
  const std::int64_t first = group * kDenseStored;
  if ((group + 1) * kDenseGroup > ternary_lines(w.cols)) return (byte_of(first + i) >> (2 * j)) & 3;
  if (i == kDenseStored) return kDenseCodes.fifth[byte_of(first + j)] >> 6;
  return (kDenseCodes.t2[byte_of(first + i)] >> (2 * j)) & 3;
}

// Some tokens of one row: codes are decoded once for all of them.
constexpr std::int64_t kTokens = 16;
constexpr std::int64_t kStrip = 256;  // columns

void row_sums(const TernaryMatrix& w, std::int64_t row, const QuantizedBatch& x, std::int64_t t0,
              std::int64_t tokens, std::int32_t (&sums)[kTokens]) noexcept {
  for (std::int64_t k0 = 0; k0 < w.cols; k0 += kStrip) {
    const std::int64_t count = w.cols - k0 < kStrip ? w.cols - k0 : kStrip;
    std::int32_t codes[kStrip];
    for (std::int64_t k = 0; k < count; ++k) codes[k] = code_at(w, row, k0 + k);
    for (std::int64_t t = 0; t < tokens; ++t) {
      const std::int8_t* q = x.q + (t0 + t) * x.stride + k0;
      for (std::int64_t k = 0; k < count; ++k) sums[t] += codes[k] * q[k];
    }
  }
}

void gemm(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t y_stride,
          std::int64_t begin, std::int64_t end) noexcept {
  for (std::int64_t row = begin; row < end; ++row) {
    for (std::int64_t t0 = 0; t0 < x.tokens; t0 += kTokens) {
      const std::int64_t tokens = x.tokens - t0 < kTokens ? x.tokens - t0 : kTokens;
      std::int32_t sums[kTokens] = {};
      row_sums(w, row, x, t0, tokens, sums);
      for (std::int64_t t = t0; t < t0 + tokens; ++t) {
        y[t * y_stride + row] = static_cast<float>(sums[t - t0] - x.sums[t]) * x.scales[t];
      }
    }
  }
}

void gemv(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  gemm(w, x, y, 0, begin, end);
}

}  // namespace

std::size_t dense_packed_bytes(std::int64_t rows, std::int64_t cols) noexcept {
  const std::int64_t blocks = (rows + kTernaryRowBlock - 1) / kTernaryRowBlock;
  return static_cast<std::size_t>(blocks) * static_cast<std::size_t>(dense_block_bytes(cols));
}

void dense_pack(const std::int8_t* trits, std::int64_t begin, std::int64_t end, std::int64_t rows,
                std::int64_t cols, std::uint8_t* packed) noexcept {
  for (std::int64_t block = begin; block < end; block += kTernaryRowBlock) {
    std::uint8_t* out = packed + block / kTernaryRowBlock * dense_block_bytes(cols);
    for (std::int64_t r = 0; r < kTernaryRowBlock; ++r) {
      pack_row(block + r < rows ? trits + (block + r - begin) * cols : nullptr, cols, out + 4 * r);
    }
  }
}

void dense_unpack_row(const TernaryMatrix& w, std::int64_t row, std::int8_t* trits) noexcept {
  for (std::int64_t k = 0; k < w.cols; ++k) {
    trits[k] = static_cast<std::int8_t>(code_at(w, row, k) - 1);
  }
}

constinit const TernaryKernels kTernaryDense = {
    kTernaryRowBlock, dense_packed_bytes, dense_pack, dense_unpack_row, gemv, gemm, ternary_peak};

}  // namespace tern::kernels::scalar
