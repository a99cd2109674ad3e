#pragma once
// One matrix of the network, packed for one kernels row, and what it does to a batch of
// activations. TernaryLinear multiplies int8-quantised activations; HalfLinear multiplies binary32
// activations by F16, BF16 or F32 weights; BlockLinear multiplies activations quantised per block
// by Q8_0, Q4_0 or Q6_K weights. Nothing else in the engine knows the difference. Each takes its
// memory from a WeightMemory, or by itself where there is none.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <variant>

#include "kernels/aligned_buffer.h"
#include "kernels/kernel_table.h"

namespace tern::engine {

class ThreadPool;
class WeightMemory;

// The input of linear layers: `tokens` rows. The quantised half is filled only when a ternary layer
// reads it, the blocks only when a block layer does.
struct Activations {
  const float* x = nullptr;  // (tokens, x_stride)
  std::int64_t x_stride = 0;
  const std::int8_t* q = nullptr;  // (tokens, q_stride)
  std::int64_t q_stride = 0;
  const std::int32_t* sums = nullptr;  // (tokens)
  const float* q_scales = nullptr;     // (tokens): s with x ~ q / s
  std::int64_t tokens = 0;
  kernels::BlockBatch blocks{};
};

class TernaryLinear {
 public:
  // row_trits(row, out) yields the trits (cols) of one row; it is called from many threads and may
  // throw.
  using RowTrits = std::function<void(std::int64_t row, std::int8_t* out)>;
  TernaryLinear(const kernels::TernaryKernels& kernels, std::int64_t rows, std::int64_t cols,
                float scale, const RowTrits& row_trits, ThreadPool& pool,
                WeightMemory* memory = nullptr);

  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t cols() const noexcept { return cols_; }
  std::int64_t bytes() const noexcept { return static_cast<std::int64_t>(packed_.bytes()); }
  float scale() const noexcept { return scale_; }
  std::int64_t row_block() const noexcept { return kernels_->row_block; }

  // y[t * y_stride + r] for r in [begin, end). row_scales: (tokens), scratch of the calling thread.
  void apply(const Activations& in, float* row_scales, float* y, std::int64_t y_stride,
             std::int64_t begin, std::int64_t end) const noexcept;
  void unpack_row(std::int64_t row, std::int8_t* trits) const noexcept;

 private:
  const kernels::TernaryKernels* kernels_;
  std::int64_t rows_;
  std::int64_t cols_;
  float scale_;
  kernels::AlignedBuffer<std::uint8_t> packed_;
};

class HalfLinear {
 public:
  // row_weights(row, out) yields one row (cols) in `type`'s own representation; called from many
  // threads.
  using RowWeights = std::function<void(std::int64_t row, void* out)>;
  HalfLinear(const kernels::KernelTable& table, kernels::HalfType type, std::int64_t rows,
             std::int64_t cols, float scale, const RowWeights& row_weights, ThreadPool& pool,
             WeightMemory* memory = nullptr);

  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t cols() const noexcept { return cols_; }
  std::int64_t bytes() const noexcept { return static_cast<std::int64_t>(packed_.bytes()); }
  kernels::HalfType type() const noexcept { return type_; }
  float scale() const noexcept { return scale_; }
  std::int64_t row_block() const noexcept { return kernels_->row_block; }
  // Whether products are the chains of half.h, and not those of BF16 instructions.
  bool exact() const noexcept { return type_ != kernels::HalfType::kBf16 || kernels_->exact; }

  void apply(const Activations& in, float* row_scales, float* y, std::int64_t y_stride,
             std::int64_t begin, std::int64_t end) const noexcept;
  // Row `row` as binary32 (cols): the embedding look-up.
  void unpack_row(std::int64_t row, float* out) const noexcept;

 private:
  kernels::HalfMatrix matrix() const noexcept {
    return {packed_.data(), type_, rows_, cols_, scale_};
  }

  const kernels::HalfKernels* kernels_;
  kernels::HalfType type_;
  std::int64_t rows_;
  std::int64_t cols_;
  float scale_;
  kernels::AlignedBuffer<std::uint8_t> packed_;
};

class BlockLinear {
 public:
  // row_blocks(row, out) yields one row as blocks of the file format (block_row_bytes); called from
  // many threads, may throw. cols: whole blocks.
  using RowBlocks = std::function<void(std::int64_t row, std::byte* out)>;
  BlockLinear(const kernels::KernelTable& table, kernels::BlockType type, std::int64_t rows,
              std::int64_t cols, float scale, const RowBlocks& row_blocks, ThreadPool& pool,
              WeightMemory* memory = nullptr);

  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t cols() const noexcept { return cols_; }
  std::int64_t bytes() const noexcept { return static_cast<std::int64_t>(packed_.bytes()); }
  kernels::BlockType type() const noexcept { return type_; }
  std::int64_t row_block() const noexcept { return kernels_->row_block; }

  void apply(const Activations& in, float* row_scales, float* y, std::int64_t y_stride,
             std::int64_t begin, std::int64_t end) const noexcept;
  // Row `row` as binary32 (cols): the embedding look-up.
  void unpack_row(std::int64_t row, float* out) const noexcept;

 private:
  kernels::BlockMatrix matrix() const noexcept {
    return {packed_.data(), type_, rows_, cols_, scale_};
  }

  const kernels::BlockKernels* kernels_;
  kernels::BlockType type_;
  std::int64_t rows_;
  std::int64_t cols_;
  float scale_;
  kernels::AlignedBuffer<std::uint8_t> packed_;
};

using Linear = std::variant<TernaryLinear, HalfLinear, BlockLinear>;
// What embeds tokens and what makes logits: never ternary.
using Embedding = std::variant<HalfLinear, BlockLinear>;

template <class... L>
std::int64_t rows(const std::variant<L...>& w) {
  return std::visit([](const auto& l) { return l.rows(); }, w);
}
template <class... L>
std::int64_t cols(const std::variant<L...>& w) {
  return std::visit([](const auto& l) { return l.cols(); }, w);
}
template <class... L>
std::int64_t bytes(const std::variant<L...>& w) {
  return std::visit([](const auto& l) { return l.bytes(); }, w);
}
template <class... L>
std::int64_t row_block(const std::variant<L...>& w) {
  return std::visit([](const auto& l) { return l.row_block(); }, w);
}
inline bool is_ternary(const Linear& w) { return std::holds_alternative<TernaryLinear>(w); }
template <class... L>
bool is_block(const std::variant<L...>& w) {
  return std::holds_alternative<BlockLinear>(w);
}

// Bytes of one weight of that type.
std::int64_t half_bytes(kernels::HalfType type) noexcept;
// Bytes of `cols` columns of one row in the file format; cols: whole blocks.
std::int64_t block_row_bytes(kernels::BlockType type, std::int64_t cols) noexcept;

}  // namespace tern::engine
