#include "engine/linear.h"

#include <exception>
#include <mutex>
#include <vector>

#include "engine/thread_pool.h"
#include "engine/weight_memory.h"
#include "kernels/check.h"

namespace tern::engine {
namespace {

// f(begin, end) over blocks of `block` rows on all threads; the first exception is rethrown here.
template <class F>
void for_row_blocks(ThreadPool& pool, std::int64_t rows, std::int64_t block, F&& f) {
  std::mutex mutex;
  std::exception_ptr error;
  pool.parallel_items((rows + block - 1) / block, [&](std::int64_t i) {
    try {
      f(i * block, std::min(rows, (i + 1) * block));
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
}

kernels::AlignedBuffer<std::uint8_t> room(WeightMemory* memory, std::size_t bytes) {
  if (memory != nullptr) return memory->take(bytes);
  return kernels::AlignedBuffer<std::uint8_t>(bytes);
}

}  // namespace

std::int64_t half_bytes(kernels::HalfType type) noexcept {
  return type == kernels::HalfType::kF32 ? 4 : 2;
}

std::int64_t block_row_bytes(kernels::BlockType type, std::int64_t cols) noexcept {
  if (type == kernels::BlockType::kQ6_K) return cols / 256 * 210;
  return cols / 32 * (type == kernels::BlockType::kQ8_0 ? 34 : 18);
}

TernaryLinear::TernaryLinear(const kernels::TernaryKernels& kernels, std::int64_t rows,
                             std::int64_t cols, float scale, const RowTrits& row_trits,
                             ThreadPool& pool, WeightMemory* memory)
    : kernels_(&kernels),
      rows_(rows),
      cols_(cols),
      scale_(scale),
      packed_(room(memory, kernels.packed_bytes(rows, cols))) {
  TERN_CHECK(cols <= kernels::kMaxTernaryCols, "%lld columns", static_cast<long long>(cols));
  for_row_blocks(pool, rows, kernels_->row_block, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int8_t> trits(static_cast<std::size_t>((end - begin) * cols));
    for (std::int64_t row = begin; row < end; ++row) {
      row_trits(row, trits.data() + (row - begin) * cols);
    }
    kernels_->pack(trits.data(), begin, end, rows_, cols_, packed_.data());
  });
}

void TernaryLinear::apply(const Activations& in, float* row_scales, float* y, std::int64_t y_stride,
                          std::int64_t begin, std::int64_t end) const noexcept {
  for (std::int64_t t = 0; t < in.tokens; ++t) row_scales[t] = scale_ / in.q_scales[t];
  const kernels::TernaryMatrix w{packed_.data(), rows_, cols_};
  const kernels::QuantizedBatch batch{in.q, in.q_stride, in.sums, row_scales, in.tokens};
  if (in.tokens == 1) {
    kernels_->gemv(w, batch, y, begin, end);
  } else {
    kernels_->gemm(w, batch, y, y_stride, begin, end);
  }
}

void TernaryLinear::unpack_row(std::int64_t row, std::int8_t* trits) const noexcept {
  kernels_->unpack_row({packed_.data(), rows_, cols_}, row, trits);
}

HalfLinear::HalfLinear(const kernels::KernelTable& table, kernels::HalfType type, std::int64_t rows,
                       std::int64_t cols, float scale, const RowWeights& row_weights,
                       ThreadPool& pool, WeightMemory* memory)
    : kernels_(&table.half),
      type_(type),
      rows_(rows),
      cols_(cols),
      scale_(scale),
      packed_(room(memory, table.half.packed_bytes(type, rows, cols))) {
  const std::int64_t row_size = cols * half_bytes(type);
  for_row_blocks(pool, rows, kernels_->row_block, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::uint8_t> weights(static_cast<std::size_t>((end - begin) * row_size));
    for (std::int64_t row = begin; row < end; ++row) {
      row_weights(row, weights.data() + (row - begin) * row_size);
    }
    kernels_->pack(type_, weights.data(), begin, end, rows_, cols_, packed_.data());
  });
}

void HalfLinear::apply(const Activations& in, float* /*row_scales*/, float* y,
                       std::int64_t y_stride, std::int64_t begin, std::int64_t end) const noexcept {
  if (in.tokens == 1) {
    kernels_->gemv(matrix(), in.x, y, begin, end);
  } else {
    kernels_->gemm(matrix(), in.x, in.x_stride, in.tokens, y, y_stride, begin, end);
  }
}

void HalfLinear::unpack_row(std::int64_t row, float* out) const noexcept {
  kernels_->unpack_row(matrix(), row, out);
}

BlockLinear::BlockLinear(const kernels::KernelTable& table, kernels::BlockType type,
                         std::int64_t rows, std::int64_t cols, float scale,
                         const RowBlocks& row_blocks, ThreadPool& pool, WeightMemory* memory)
    : kernels_(&table.block),
      type_(type),
      rows_(rows),
      cols_(cols),
      scale_(scale),
      packed_(room(memory, table.block.packed_bytes(type, rows, cols))) {
  const std::int64_t row_size = block_row_bytes(type, cols);
  for_row_blocks(pool, rows, kernels_->row_block, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::byte> blocks(static_cast<std::size_t>((end - begin) * row_size));
    for (std::int64_t row = begin; row < end; ++row) {
      row_blocks(row, blocks.data() + (row - begin) * row_size);
    }
    kernels_->pack(type_, blocks.data(), begin, end, rows_, cols_, packed_.data());
  });
}

void BlockLinear::apply(const Activations& in, float* /*row_scales*/, float* y,
                        std::int64_t y_stride, std::int64_t begin,
                        std::int64_t end) const noexcept {
  if (in.tokens == 1) {
    kernels_->gemv(matrix(), in.blocks, y, begin, end);
  } else {
    kernels_->gemm(matrix(), in.blocks, y, y_stride, begin, end);
  }
}

void BlockLinear::unpack_row(std::int64_t row, float* out) const noexcept {
  kernels_->unpack_row(matrix(), row, out);
}

}  // namespace tern::engine
