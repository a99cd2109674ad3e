// Layout t5 (ternary.h) by the plain rules: back to a word of layout t2, then to codes.

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

// The four bytes of `row` in one t2 line, as a little-endian word.
std::uint32_t word_at(const TernaryMatrix& w, std::int64_t row, std::int64_t line) noexcept {
  const std::int64_t group = line / kDenseGroup;
  const std::int64_t i = line % kDenseGroup;
  const std::uint8_t* stored = w.packed + row / kTernaryRowBlock * dense_block_bytes(w.cols) +
                               group * kDenseStored * kTernaryLineBytes +
                               row % kTernaryRowBlock * 4;
  std::uint32_t word = 0;
  if ((group + 1) * kDenseGroup > ternary_lines(w.cols)) {
    std::memcpy(&word, stored + i * kTernaryLineBytes, sizeof word);
  } else if (i < kDenseStored) {
    for (int c = 0; c < 4; ++c) {
      word |= std::uint32_t{kDenseCodes.t2[stored[i * kTernaryLineBytes + c]]} << (8 * c);
    }
  } else {
    for (int j = 0; j < 4; ++j, stored += kTernaryLineBytes) {
      for (int c = 0; c < 4; ++c) {
        word |= std::uint32_t{kDenseCodes.fifth[stored[c]]} >> 6 << (8 * c + 2 * j);
      }
    }
  }
  return word;
}

// The code (trit + 1) of column k of the word's line.
int code_of(std::uint32_t word, std::int64_t k) noexcept {
  return static_cast<int>((word >> (8 * (k % 4) + 2 * (k / 4))) & 3);
}

// Some tokens of one row: each line is decoded once for all of them.
constexpr std::int64_t kTokens = 16;

void row_sums(const TernaryMatrix& w, std::int64_t row, const QuantizedBatch& x, std::int64_t t0,
              std::int64_t tokens, std::int32_t (&sums)[kTokens]) noexcept {
  for (std::int64_t line = 0; line < ternary_lines(w.cols); ++line) {
    const std::uint32_t word = word_at(w, row, line);
    int codes[kTernaryLineCols];
    for (std::int64_t k = 0; k < kTernaryLineCols; ++k) codes[k] = code_of(word, k);
    for (std::int64_t t = 0; t < tokens; ++t) {
      const std::int8_t* q = x.q + (t0 + t) * x.stride + line * kTernaryLineCols;
      for (std::int64_t k = 0; k < kTernaryLineCols; ++k) sums[t] += codes[k] * q[k];
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
  for (std::int64_t line = 0; line < ternary_lines(w.cols); ++line) {
    const std::uint32_t word = word_at(w, row, line);
    const std::int64_t first = line * kTernaryLineCols;
    const std::int64_t count =
        w.cols - first < kTernaryLineCols ? w.cols - first : kTernaryLineCols;
    for (std::int64_t k = 0; k < count; ++k) {
      trits[first + k] = static_cast<std::int8_t>(code_of(word, k) - 1);
    }
  }
}

constinit const TernaryKernels kTernaryDense = {
    kTernaryRowBlock, dense_packed_bytes, dense_pack, dense_unpack_row, gemv, gemm, ternary_peak};

}  // namespace tern::kernels::scalar
