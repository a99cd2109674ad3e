#pragma once
// The token of the largest logit without all logits, exactly: a Q8_0 copy of a float output head
// brackets every logit, and only panels of rows that may hold the largest are computed from the
// head itself. The proof that a bracket holds is in greedy_head.cpp.

#include <cstddef>
#include <cstdint>

#include "engine/linear.h"
#include "kernels/aligned_buffer.h"
#include "kernels/kernel_table.h"

namespace tern::engine {

class ThreadPool;

// Half the width of the bracket of row r for one input:
// residual_norm[r] * residual + copy_norm[r] * copy + least.
struct GreedyBound {
  float residual = 0, copy = 0, least = 0;
};

// What one input adds to the brackets: around the products of the copy and the quantised input, and
// around those of the copy and the input itself.
struct GreedyInput {
  GreedyBound coarse, sharp;
  bool valid = false;  // false: numbers so large that a logit could overflow, or not finite
};

// The buffers of a search over up to `tokens` inputs.
struct GreedyScratch {
  template <class T>
  using Buffer = kernels::AlignedBuffer<T>;

  GreedyScratch() = default;
  GreedyScratch(std::int64_t tokens, std::int64_t panels, std::int64_t cols, std::int64_t threads);

  Buffer<GreedyInput> inputs;       // (tokens)
  Buffer<float> upper, lower;       // (tokens, panels): no logit of the panel is above `upper`, one
                                    // of its logits is at least `lower`
  Buffer<float> threshold;          // (tokens): what the largest logit is at least
  Buffer<std::int64_t> candidates;  // (panels): those some input needs, ascending
  Buffer<float> rows;               // (threads, cols)
  std::int64_t chosen = 0;          // candidates
  std::int64_t pairs = 0;           // of a candidate and an input that needs it
};

class GreedyHead {
 public:
  // `head` with an output scale of 1. Throws Error when its columns are no multiple of 32 or its
  // sums are not those of half.h, on which the proof rests.
  GreedyHead(const HalfLinear& head, const kernels::KernelTable& table, ThreadPool& pool);

  std::int64_t bytes() const noexcept;  // the copy and its norms
  static std::int64_t bytes_needed(std::int64_t rows, std::int64_t cols) noexcept;
  std::int64_t panels() const noexcept { return (rows() + panel_ - 1) / panel_; }
  std::int64_t rows() const noexcept { return copy_.rows(); }
  std::int64_t cols() const noexcept { return copy_.cols(); }
  const BlockLinear& copy() const noexcept { return copy_; }

  // best[t] = engine::argmax of the logits of `head` (the one this was made of) for input t of
  // `in`, whose blocks are filled. False, and `best` is untouched, where the brackets cannot rule
  // out enough of the head, or prove nothing: then compute it all. y: (tokens, rows), scratch.
  bool find(const HalfLinear& head, const Activations& in, ThreadPool& pool, GreedyScratch& scratch,
            float* y, int* best) const noexcept;

  // x, q: (cols); scales: (cols / 32), as quantize_blocks leaves them.
  GreedyInput measure(const float* x, const std::int8_t* q, const float* scales) const noexcept;
  float width(const GreedyBound& bound, std::int64_t row) const noexcept {
    return residual_norm_[static_cast<std::size_t>(row)] * bound.residual +
           copy_norm_[static_cast<std::size_t>(row)] * bound.copy + bound.least;
  }

 private:
  void encode_row(const HalfLinear& head, std::int64_t row, std::byte* out);
  std::int64_t panel_end(std::int64_t panel) const noexcept;
  bool needs(std::int64_t token, std::int64_t panel, const GreedyScratch& scratch) const noexcept;
  void bracket(std::int64_t panel, std::int64_t token, const float* y,
               GreedyScratch& scratch) const noexcept;
  void sharpen(std::int64_t panel, std::int64_t token, const float* x, const float* y, float* row,
               GreedyScratch& scratch) const noexcept;
  void choose(std::int64_t tokens, GreedyScratch& scratch) const noexcept;
  template <class F>
  void for_candidates(std::int64_t tokens, ThreadPool& pool, const GreedyScratch& scratch,
                      F&& f) const noexcept;
  int argmax(std::int64_t token, const float* y, const GreedyScratch& scratch) const noexcept;

  kernels::AlignedBuffer<float> residual_norm_;  // (rows): at least |row of head - row of copy|
  kernels::AlignedBuffer<float> copy_norm_;      // (rows): at least |row of copy|
  std::int64_t panel_;                           // rows: whole row blocks of head and copy
  BlockLinear copy_;
  double largest_ = 0;  // at least |row of head| for all; not finite where one is not
};

}  // namespace tern::engine
