#include <cstring>

#include "kernels/sparse/layout.h"
#include "kernels/sparse/sparse.h"

namespace tern::kernels::scalar {
namespace {

const std::uint8_t* packed_row(const TernaryMatrix& w, std::int64_t row) noexcept {
  return w.packed + row * sparse_lines(w.cols) * kSparseLineBytes;
}

int code(const std::uint8_t* row, std::int64_t column) noexcept {
  const std::int64_t within = column % kSparseLineCols;
  const int byte = row[column / kSparseLineCols * kSparseLineBytes + within % kSparseLineBytes];
  return (byte >> (2 * (within / kSparseLineBytes))) & 3;
}

std::int64_t list_positive(const float* x, std::int64_t begin, std::int64_t end,
                           std::int32_t* list) noexcept {
  std::int64_t count = 0;
  for (std::int64_t i = begin; i < end; ++i) {
    if (x[i] > 0) list[count++] = static_cast<std::int32_t>(i);
  }
  return count;
}

template <class T>
std::int64_t list_nonzero(const T* x, std::int64_t begin, std::int64_t end,
                          std::int32_t* list) noexcept {
  std::int64_t count = 0;
  for (std::int64_t i = begin; i < end; ++i) {
    if (x[i] != 0) list[count++] = static_cast<std::int32_t>(i);
  }
  return count;
}

void dot_rows(const TernaryMatrix& w, const QuantizedBatch& x, const std::int32_t* list,
              std::int64_t count, float* y) noexcept {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint8_t* row = packed_row(w, list[i]);
    std::int32_t sum = 0;
    for (std::int64_t k = 0; k < w.cols; ++k) sum += (code(row, k) - 1) * x.q[k];
    y[list[i]] = static_cast<float>(sum) * x.scales[0];
  }
}

void add_rows(const TernaryMatrix& w, const std::int8_t* q, const std::int32_t* list,
              std::int64_t count, std::int32_t* sums) noexcept {
  const std::int64_t padded = sparse_lines(w.cols) * kSparseLineCols;
  std::memset(sums, 0, static_cast<std::size_t>(padded) * sizeof *sums);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint8_t* row = packed_row(w, list[i]);
    for (std::int64_t c = 0; c < padded; ++c) sums[c] += code(row, c) * q[list[i]];
  }
}

void merge_sums(const std::int32_t* parts, std::int64_t count, std::int64_t stride,
                std::int32_t q_sum, float scale, std::int64_t begin, std::int64_t end,
                float* y) noexcept {
  for (std::int64_t c = begin; c < end; ++c) {
    std::int32_t sum = -q_sum;
    for (std::int64_t part = 0; part < count; ++part) sum += parts[part * stride + c];
    y[c] = static_cast<float>(sum) * scale;
  }
}

}  // namespace

std::size_t sparse_packed_bytes(std::int64_t rows, std::int64_t cols) noexcept {
  return static_cast<std::size_t>(rows) *
         static_cast<std::size_t>(sparse_lines(cols) * kSparseLineBytes);
}

void sparse_pack(const std::int8_t* trits, std::int64_t begin, std::int64_t end, std::int64_t cols,
                 std::uint8_t* packed) noexcept {
  const std::int64_t lines = sparse_lines(cols);
  std::uint8_t* out = packed + begin * lines * kSparseLineBytes;
  for (std::int64_t row = begin; row < end; ++row, trits += cols) {
    for (std::int64_t line = 0; line < lines; ++line) {
      for (std::int64_t b = 0; b < kSparseLineBytes; ++b) {
        int byte = 0;
        for (std::int64_t j = 0; j < kSparseFields; ++j) {
          const std::int64_t column = line * kSparseLineCols + j * kSparseLineBytes + b;
          byte |= ((column < cols ? trits[column] : 0) + 1) << (2 * j);
        }
        *out++ = static_cast<std::uint8_t>(byte);
      }
    }
  }
}

void sparse_unpack_row(const TernaryMatrix& w, std::int64_t row, std::int8_t* trits) noexcept {
  const std::uint8_t* packed = packed_row(w, row);
  for (std::int64_t k = 0; k < w.cols; ++k) {
    trits[k] = static_cast<std::int8_t>(code(packed, k) - 1);
  }
}

constinit const SparseKernels kSparse = {
    sparse_packed_bytes, sparse_pack, sparse_unpack_row, list_positive, list_nonzero<std::int8_t>,
    list_nonzero<float>, dot_rows,    add_rows,          merge_sums};

}  // namespace tern::kernels::scalar
