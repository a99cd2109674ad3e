#pragma once
// A second copy of a layer's `up` and `down`, row by row and column by column, for decoding with
// squared ReLU: where the gate is not positive its square is exactly zero, so that row of `up` need
// not be read, and where the product is zero that column of `down` neither. What is left out would
// have changed no sum, so the answers are the same bits. More than one token at a time would need
// most rows: prefill and batches use the other copy.
//
// Ternary layers can have one, and so can those of their F16 and BF16 twins, or a baseline would
// read what the model is spared. Layers quantised in blocks have none.

#include <cstdint>
#include <memory>

#include "engine/linear.h"
#include "engine/skip_counts.h"
#include "kernels/aligned_buffer.h"
#include "kernels/sparse/sparse.h"

namespace tern::engine {

class ThreadPool;

// Buffers of one session.
struct SparseScratch {
  static constexpr std::int64_t kApart = 16;  // words between those of two threads: a cache line

  SparseScratch() = default;
  SparseScratch(std::int64_t ffn, std::int64_t hidden, std::int64_t threads);

  SkipCounts counts;
  std::int64_t stride = 0;                      // of parts
  kernels::AlignedBuffer<std::int32_t> list;    // (ffn)
  kernels::AlignedBuffer<std::int32_t> parts;   // (threads, stride)
  kernels::AlignedBuffer<std::int32_t> listed;  // (threads, kApart): rows of up
  kernels::AlignedBuffer<float> row_scales;     // (threads, kApart): of gate
};

class SparseFfn {
 public:
  virtual ~SparseFfn() = default;
  virtual std::int64_t bytes() const noexcept = 0;

  // Of one token: gate (ffn) complete, and up (ffn) where it is positive, else zero.
  void gate_up(const Linear& gate, const Activations& in, ThreadPool& pool, SparseScratch& scratch,
               float* gate_out, float* up_out) const noexcept;

  // Of one token: y (hidden).
  void down(const Activations& in, ThreadPool& pool, SparseScratch& scratch,
            float* y) const noexcept;

 protected:
  SparseFfn(const kernels::SparseKernels& kernels, std::int64_t ffn) noexcept
      : kernels_(kernels), ffn_(ffn) {}

  const kernels::SparseKernels& kernels_;
  const std::int64_t ffn_;

 private:
  // y[r] of `up` for the rows listed, on the calling thread.
  virtual void up_rows(const Activations& in, const std::int32_t* list, std::int64_t count,
                       float* y) const noexcept = 0;
  // Lists the inputs of `down` that are not zero.
  virtual std::int64_t list_inputs(const Activations& in, std::int32_t* list) const noexcept = 0;
  // y of `down` from the first `count` columns of scratch.list, on all threads.
  virtual void down_columns(const Activations& in, std::int64_t count, ThreadPool& pool,
                            SparseScratch& scratch, float* y) const noexcept = 0;
};

// up: (ffn, hidden), down: (hidden, ffn), of one type.
std::unique_ptr<SparseFfn> make_sparse_ffn(const TernaryLinear& up, const TernaryLinear& down,
                                           const kernels::KernelTable& table, ThreadPool& pool);
// Exact F16 or BF16; the weights of `down` are integers (kernels/sparse/sparse_half.h says why).
std::unique_ptr<SparseFfn> make_sparse_ffn(const HalfLinear& up, const HalfLinear& down,
                                           const kernels::KernelTable& table, ThreadPool& pool);

// What bytes() will be, of ternary layers and of F16 or BF16.
std::int64_t sparse_ternary_bytes(std::int64_t ffn, std::int64_t hidden) noexcept;
std::int64_t sparse_half_bytes(std::int64_t ffn, std::int64_t hidden) noexcept;

}  // namespace tern::engine
