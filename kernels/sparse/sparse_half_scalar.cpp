#include "kernels/sparse/sparse_half.h"

#include <cstring>

#include "kernels/float16.h"

namespace tern::kernels::scalar {
namespace {

const std::uint16_t* packed_row(const HalfMatrix& w, std::int64_t row) noexcept {
  return static_cast<const std::uint16_t*>(w.packed) + row * sparse_half_stride(w.cols);
}

float to_f32(HalfType type, std::uint16_t bits) noexcept {
  return type == HalfType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
}

void dot_rows(const HalfMatrix& w, const float* x, const std::int32_t* list, std::int64_t count,
              float* y) noexcept {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint16_t* row = packed_row(w, list[i]);
    float sum = 0.0f;
    for (std::int64_t k = 0; k < w.cols; ++k) {
      sum = __builtin_fmaf(to_f32(w.type, row[k]), x[k], sum);
    }
    y[list[i]] = sum * w.scale;
  }
}

// The chains of all columns advance together, in y.
void add_rows(const HalfMatrix& w, const float* x, const std::int32_t* list, std::int64_t count,
              std::int64_t begin, std::int64_t end, float* y) noexcept {
  for (std::int64_t c = begin; c < end; ++c) y[c] = 0.0f;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint16_t* row = packed_row(w, list[i]);
    for (std::int64_t c = begin; c < end; ++c) {
      y[c] = __builtin_fmaf(to_f32(w.type, row[c]), x[list[i]], y[c]);
    }
  }
  for (std::int64_t c = begin; c < end; ++c) y[c] *= w.scale;
}

}  // namespace

std::size_t sparse_half_packed_bytes(std::int64_t rows, std::int64_t cols) noexcept {
  return static_cast<std::size_t>(rows * sparse_half_stride(cols)) * sizeof(std::uint16_t);
}

void sparse_half_pack(const std::uint16_t* weights, std::int64_t begin, std::int64_t end,
                      std::int64_t cols, void* packed) noexcept {
  const std::int64_t stride = sparse_half_stride(cols);
  const auto used = static_cast<std::size_t>(cols) * sizeof *weights;
  const auto padding = static_cast<std::size_t>(stride - cols) * sizeof *weights;
  for (std::int64_t row = begin; row < end; ++row, weights += cols) {
    std::uint16_t* out = static_cast<std::uint16_t*>(packed) + row * stride;
    std::memcpy(out, weights, used);
    std::memset(out + cols, 0, padding);
  }
}

constinit const SparseHalfKernels kSparseHalf = {sparse_half_packed_bytes, sparse_half_pack,
                                                 dot_rows, add_rows};

}  // namespace tern::kernels::scalar
