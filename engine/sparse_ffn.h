#pragma once
// A second copy of a layer's `up` and `down`, row by row and column by column, for decoding with
// squared ReLU: where the gate is not positive its square is exactly zero, so that row of `up` need
// not be read, and where the quantised product is zero that column of `down` neither. The sums are
// the same integers, so the answers are the same bits. More than one token at a time would need
// most rows: prefill and batches use the other copy.

#include <cstdint>

#include "engine/linear.h"
#include "engine/skip_counts.h"
#include "kernels/aligned_buffer.h"
#include "kernels/sparse/sparse.h"

namespace tern::engine {

class ThreadPool;

// Buffers of one session.
class SparseScratch {
 public:
  SparseScratch() = default;
  SparseScratch(std::int64_t ffn, std::int64_t hidden, std::int64_t threads);

  SkipCounts counts;

 private:
  friend class SparseFfn;
  static constexpr std::int64_t kApart = 16;  // words between those of two threads: a cache line

  std::int64_t stride_ = 0;                      // of parts_
  kernels::AlignedBuffer<std::int32_t> list_;    // (ffn)
  kernels::AlignedBuffer<std::int32_t> parts_;   // (threads, stride_)
  kernels::AlignedBuffer<std::int32_t> listed_;  // (threads, kApart): rows of up
  kernels::AlignedBuffer<float> row_scales_;     // (threads, kApart): of gate
};

class SparseFfn {
 public:
  // up: (ffn, hidden), down: (hidden, ffn).
  SparseFfn(const kernels::SparseKernels& kernels, const TernaryLinear& up,
            const TernaryLinear& down, ThreadPool& pool);

  static std::int64_t bytes_needed(std::int64_t ffn, std::int64_t hidden) noexcept;
  std::int64_t bytes() const noexcept;
  // Of one row of `up` or one column of `down`.
  std::int64_t row_bytes() const noexcept;

  // Of one token: gate (ffn) complete, and up (ffn) where it is positive, else zero.
  void gate_up(const TernaryLinear& gate, const Activations& in, ThreadPool& pool,
               SparseScratch& scratch, float* gate_out, float* up_out) const noexcept;

  // Of one token: y (hidden).
  void down(const Activations& in, ThreadPool& pool, SparseScratch& scratch,
            float* y) const noexcept;

 private:
  kernels::TernaryMatrix up() const noexcept { return {up_.data(), ffn_, hidden_}; }
  kernels::TernaryMatrix down() const noexcept { return {down_.data(), ffn_, hidden_}; }

  const kernels::SparseKernels* kernels_;
  std::int64_t ffn_;
  std::int64_t hidden_;
  float up_scale_;
  float down_scale_;
  kernels::AlignedBuffer<std::uint8_t> up_;
  kernels::AlignedBuffer<std::uint8_t> down_;  // transposed
};

}  // namespace tern::engine
