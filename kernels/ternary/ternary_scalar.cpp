#include <bit>
#include <cstring>

#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::scalar {
namespace {

static_assert(std::endian::native == std::endian::little, "line bytes are assembled in words");

constexpr std::uint32_t kZeroCodes = 0x01010101;  // four codes of trit 0

std::uint32_t load_u32(const void* p) noexcept {
  std::uint32_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// Four trits (bytes 0xff, 0x00, 0x01) to their codes; the top bits go around the addition so that
// no byte carries into the next.
std::uint32_t codes_of(std::uint32_t trits) noexcept {
  return ((trits & 0x7f7f7f7fu) + kZeroCodes) ^ (trits & 0x80808080u);
}

void pack_row(const std::int8_t* trits, std::int64_t cols, std::uint8_t* out) noexcept {
  for (std::int64_t k = 0; k < cols; k += kTernaryLineCols, out += kTernaryLineBytes) {
    const std::uint32_t word = ternary_pack_word(trits + k, cols - k);
    std::memcpy(out, &word, sizeof word);
  }
}

void pack_missing_row(std::int64_t cols, std::uint8_t* out) noexcept {
  for (std::int64_t line = 0; line < ternary_lines(cols); ++line) {
    std::memcpy(out + line * kTernaryLineBytes, &kTernaryZeroWord, sizeof kTernaryZeroWord);
  }
}

const std::uint8_t* row_words(const TernaryMatrix& w, std::int64_t row) noexcept {
  return w.packed + row / kTernaryRowBlock * (ternary_lines(w.cols) * kTernaryLineBytes) +
         row % kTernaryRowBlock * 4;
}

std::int32_t row_dot(const TernaryMatrix& w, std::int64_t row, const std::int8_t* q) noexcept {
  const std::uint8_t* words = row_words(w, row);
  std::int32_t sum = 0;
  for (std::int64_t line = 0; line < ternary_lines(w.cols); ++line) {
    for (int c = 0; c < 4; ++c) {
      const int byte = words[line * kTernaryLineBytes + c];
      for (int j = 0; j < 4; ++j) {
        sum += ((byte >> (2 * j)) & 3) * q[line * kTernaryLineCols + 4 * j + c];
      }
    }
  }
  return sum;
}

void gemm(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t y_stride,
          std::int64_t begin, std::int64_t end) noexcept {
  for (std::int64_t row = begin; row < end; ++row) {
    for (std::int64_t t = 0; t < x.tokens; ++t) {
      const std::int32_t acc = row_dot(w, row, x.q + t * x.stride) - x.sums[t];
      y[t * y_stride + row] = static_cast<float>(acc) * x.scales[t];
    }
  }
}

void gemv(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  gemm(w, x, y, 0, begin, end);
}

}  // namespace

std::uint32_t ternary_pack_word(const std::int8_t* trits, std::int64_t count) noexcept {
  std::int8_t some[kTernaryLineCols] = {};
  if (count < kTernaryLineCols) {
    std::memcpy(some, trits, static_cast<std::size_t>(count));
    trits = some;
  }
  std::uint32_t word = 0;
  for (int j = 0; j < 4; ++j) word |= codes_of(load_u32(trits + 4 * j)) << (2 * j);
  return word;
}

std::size_t ternary_packed_bytes(std::int64_t rows, std::int64_t cols) noexcept {
  const std::int64_t blocks = (rows + kTernaryRowBlock - 1) / kTernaryRowBlock;
  return static_cast<std::size_t>(blocks) *
         static_cast<std::size_t>(ternary_lines(cols) * kTernaryLineBytes);
}

void ternary_pack(const std::int8_t* trits, std::int64_t begin, std::int64_t end, std::int64_t rows,
                  std::int64_t cols, std::uint8_t* packed) noexcept {
  const std::int64_t block_bytes = ternary_lines(cols) * kTernaryLineBytes;
  for (std::int64_t block = begin; block < end; block += kTernaryRowBlock) {
    std::uint8_t* out = packed + block / kTernaryRowBlock * block_bytes;
    for (std::int64_t r = 0; r < kTernaryRowBlock; ++r) {
      if (block + r < rows) {
        pack_row(trits + (block + r - begin) * cols, cols, out + 4 * r);
      } else {
        pack_missing_row(cols, out + 4 * r);
      }
    }
  }
}

void ternary_unpack_row(const TernaryMatrix& w, std::int64_t row, std::int8_t* trits) noexcept {
  const std::uint8_t* words = row_words(w, row);
  for (std::int64_t k = 0; k < w.cols; ++k) {
    const std::int64_t line = k / kTernaryLineCols;
    const std::int64_t j = k % kTernaryLineCols / 4;
    const int code = (words[line * kTernaryLineBytes + k % 4] >> (2 * j)) & 3;
    trits[k] = static_cast<std::int8_t>(code - 1);
  }
}

std::int64_t ternary_peak(std::int64_t rounds) noexcept {
  std::int64_t done = 0;
  for (std::int64_t round = 0; round < rounds; ++round) {
    int one = 1;
    asm("" : "+r"(one));  // a new value for all the compiler knows: the loop stays a loop
    done += std::int64_t{one * one};
  }
  return done;
}

constinit const TernaryKernels kTernary = {
    kTernaryRowBlock, ternary_packed_bytes, ternary_pack, ternary_unpack_row, gemv, gemm,
    ternary_peak};

}  // namespace tern::kernels::scalar
