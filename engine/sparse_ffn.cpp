#include "engine/sparse_ffn.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/thread_pool.h"
#include "engine/workspace.h"

namespace tern::engine {
namespace {

constexpr std::int64_t kPackRows = 64;

void pack_rows(const kernels::SparseKernels& kernels, const TernaryLinear& w, ThreadPool& pool,
               std::uint8_t* packed) {
  pool.parallel_rows(w.rows(), kPackRows, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int8_t> trits(static_cast<std::size_t>(w.cols()));
    for (std::int64_t row = begin; row < end; ++row) {
      w.unpack_row(row, trits.data());
      kernels.pack(trits.data(), row, row + 1, w.cols(), packed);
    }
  });
}

void pack_columns(const kernels::SparseKernels& kernels, const TernaryLinear& w, ThreadPool& pool,
                  std::uint8_t* packed) {
  const auto rows = static_cast<std::size_t>(w.rows());
  const auto cols = static_cast<std::size_t>(w.cols());
  std::vector<std::int8_t> all(rows * cols);
  pool.parallel_rows(w.rows(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      w.unpack_row(row, all.data() + row * w.cols());
    }
  });
  // Some columns at a time, so that a line of the cache serves all of them.
  pool.parallel_rows(w.cols(), kPackRows, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int8_t> some(static_cast<std::size_t>(kPackRows) * rows);
    for (std::int64_t first = begin; first < end; first += kPackRows) {
      const std::int64_t count = std::min(kPackRows, end - first);
      for (std::size_t row = 0; row < rows; ++row) {
        const std::int8_t* from = all.data() + row * cols + first;
        for (std::int64_t c = 0; c < count; ++c) {
          some[static_cast<std::size_t>(c) * rows + row] = from[c];
        }
      }
      kernels.pack(some.data(), first, first + count, w.rows(), packed);
    }
  });
}

}  // namespace

SparseScratch::SparseScratch(std::int64_t ffn, std::int64_t hidden, std::int64_t threads)
    : stride_(round_up(hidden, kernels::kSparseLineCols)),
      list_(static_cast<std::size_t>(ffn)),
      parts_(static_cast<std::size_t>(threads * stride_)),
      listed_(static_cast<std::size_t>(threads * kApart)),
      row_scales_(static_cast<std::size_t>(threads * kApart)) {}

SparseFfn::SparseFfn(const kernels::SparseKernels& kernels, const TernaryLinear& up,
                     const TernaryLinear& down, ThreadPool& pool)
    : kernels_(&kernels),
      ffn_(up.rows()),
      hidden_(up.cols()),
      up_scale_(up.scale()),
      down_scale_(down.scale()),
      up_(kernels.packed_bytes(ffn_, hidden_)),
      down_(kernels.packed_bytes(ffn_, hidden_)) {
  pack_rows(kernels, up, pool, up_.data());
  pack_columns(kernels, down, pool, down_.data());
}

std::int64_t SparseFfn::bytes_needed(std::int64_t ffn, std::int64_t hidden) noexcept {
  return 2 * static_cast<std::int64_t>(kernels::scalar::kSparse.packed_bytes(ffn, hidden));
}

std::int64_t SparseFfn::bytes() const noexcept {
  return static_cast<std::int64_t>(up_.bytes() + down_.bytes());
}

std::int64_t SparseFfn::row_bytes() const noexcept {
  return static_cast<std::int64_t>(kernels_->packed_bytes(1, hidden_));
}

// Whoever computes rows of the gate goes on with those rows of `up`: nobody waits in between.
void SparseFfn::gate_up(const TernaryLinear& gate, const Activations& in, ThreadPool& pool,
                        SparseScratch& scratch, float* gate_out, float* up_out) const noexcept {
  const float scale = up_scale_ / in.q_scales[0];
  const kernels::QuantizedBatch batch{in.q, in.q_stride, in.sums, &scale, 1};
  const std::int64_t block = gate.row_block();
  const std::int64_t blocks = (ffn_ + block - 1) / block;
  pool.run([&](int member) {
    const std::int64_t begin = blocks * member / pool.threads() * block;
    const std::int64_t end = std::min(blocks * (member + 1) / pool.threads() * block, ffn_);
    std::int32_t& listed =
        scratch.listed_[static_cast<std::size_t>(member * SparseScratch::kApart)];
    listed = 0;
    if (begin >= end) return;
    gate.apply(in, scratch.row_scales_.data() + member * SparseScratch::kApart, gate_out, ffn_,
               begin, end);
    std::fill(up_out + begin, up_out + end, 0.0f);
    std::int32_t* list = scratch.list_.data() + begin;
    listed = static_cast<std::int32_t>(kernels_->list_positive(gate_out, begin, end, list));
    kernels_->dot_rows(up(), batch, list, listed, up_out);
  });
  scratch.counts.rows += ffn_;
  for (int member = 0; member < pool.threads(); ++member) {
    scratch.counts.up_read +=
        scratch.listed_[static_cast<std::size_t>(member * SparseScratch::kApart)];
  }
}

void SparseFfn::down(const Activations& in, ThreadPool& pool, SparseScratch& scratch,
                     float* y) const noexcept {
  const std::int64_t count = kernels_->list_nonzero(in.q, 0, ffn_, scratch.list_.data());
  pool.run([&](int member) {
    const std::int64_t begin = count * member / pool.threads();
    const std::int64_t end = count * (member + 1) / pool.threads();
    kernels_->add_rows(down(), in.q, scratch.list_.data() + begin, end - begin,
                       scratch.parts_.data() + member * scratch.stride_);
  });
  const float scale = down_scale_ / in.q_scales[0];
  pool.parallel_rows(hidden_, kernels::kSparseLineCols, [&](std::int64_t begin, std::int64_t end) {
    kernels_->merge_sums(scratch.parts_.data(), pool.threads(), scratch.stride_, in.sums[0], scale,
                         begin, end, y);
  });
  scratch.counts.down_read += count;
}

}  // namespace tern::engine
