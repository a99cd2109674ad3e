#pragma once
// The buffers of one forward pass over up to `tokens` rows, allocated once per session.

#include <algorithm>
#include <cstdint>

#include "engine/greedy_head.h"
#include "engine/model_config.h"
#include "engine/phase_times.h"
#include "engine/sparse_ffn.h"
#include "kernels/aligned_buffer.h"
#include "kernels/attention/attention.h"
#include "kernels/block/block.h"
#include "kernels/ternary/ternary.h"

namespace tern::engine {

constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) noexcept {
  return (value + multiple - 1) / multiple * multiple;
}

// Logits computed together: enough rows for the head to run as a matrix product, few enough that a
// vocabulary of 128 thousand takes 64 MiB.
inline constexpr std::int64_t kLogitRows = 128;

// Query heads that attend together: enough to read keys and values from memory much less often than
// they are used, few enough that their scores stay in a near cache.
inline constexpr std::int64_t kMaxQueries = 24;

struct Workspace {
  template <class T>
  using Buffer = kernels::AlignedBuffer<T>;

  std::int64_t tokens;         // most rows of one pass
  std::int64_t logit_rows;     // most rows of logits at a time
  std::int64_t widest;         // largest input of any linear layer
  std::int64_t q_stride;       // of `quantized`
  std::int64_t scores_stride;  // of `scores`
  std::int64_t spans = 0;      // of `span_begin`

  Buffer<float> x;                  // (tokens, hidden): the residual stream
  Buffer<float> normed;             // (tokens, widest): input of the next linear layers
  Buffer<float> q;                  // (tokens, heads * head_dim); later the attention output
  Buffer<float> k, v;               // (tokens, kv_heads * head_dim)
  Buffer<float> gate, up;           // (tokens, ffn)
  Buffer<float> branch;             // (tokens, hidden): what a block adds to the residual stream
  Buffer<std::int8_t> quantized;    // (tokens, q_stride)
  Buffer<std::int32_t> sums;        // (tokens)
  Buffer<float> q_scales;           // (tokens)
  Buffer<std::int8_t> block_q;      // (tokens, q_stride)
  Buffer<std::int32_t> block_sums;  // (tokens, q_stride / 16)
  Buffer<float> block_scales;       // (tokens, q_stride / 32)
  Buffer<float> row_scales;         // (threads, tokens): scratch of Linear::apply
  Buffer<std::int64_t> span_begin;  // (spans + 1): first rows of what attends together
  Buffer<float> scores;             // (threads, kMaxQueries, scores_stride): attention scores
  Buffer<float> partial;            // (threads, kMaxQueries, head_dim)
  Buffer<float> logits;             // (logit_rows, vocab)
  Buffer<int> best;                 // (logit_rows): tokens of the largest logits
  GreedyScratch greedy;             // empty without a greedy head
  SparseScratch sparse;             // empty unless zeros are skipped
  Buffer<bool> finite;              // (tokens): false once a linear layer's input was not finite
  PhaseTimes* phases = nullptr;     // where the passes charge their time; null: nowhere

  Workspace(const ModelConfig& c, std::int64_t most_tokens, std::int64_t context,
            std::int64_t threads)
      : tokens(most_tokens),
        logit_rows(std::min(tokens, kLogitRows)),
        widest(std::max({c.hidden, c.q_dim(), c.ffn})),
        q_stride(round_up(widest, kernels::kQuantizedAlign)),
        scores_stride(round_up(context, kernels::kAttentionBlock)),
        x(size(tokens, c.hidden)),
        normed(size(tokens, widest)),
        q(size(tokens, c.q_dim())),
        k(size(tokens, c.kv_dim())),
        v(size(tokens, c.kv_dim())),
        gate(size(tokens, c.ffn)),
        up(size(tokens, c.ffn)),
        branch(size(tokens, c.hidden)),
        quantized(size(tokens, q_stride)),
        sums(size(tokens, 1)),
        q_scales(size(tokens, 1)),
        block_q(size(tokens, q_stride)),
        block_sums(size(tokens, q_stride / 16)),
        block_scales(size(tokens, q_stride / kernels::kQuantBlock)),
        row_scales(size(threads, round_up(tokens, 16))),
        span_begin(size(tokens + 1, 1)),
        scores(size(threads, kMaxQueries * scores_stride)),
        partial(size(threads, kMaxQueries * round_up(c.head_dim, 16))),
        logits(size(logit_rows, c.vocab)),
        best(size(logit_rows, 1)),
        finite(size(tokens, 1)) {}

  // For searches in `head`; before the first pass.
  void prepare_greedy(const GreedyHead& head, std::int64_t threads) {
    greedy = GreedyScratch(logit_rows, head.panels(), head.cols(), threads);
  }

  // The rows of `normed` quantised in blocks.
  kernels::BlockBatch blocks(std::int64_t n) const noexcept {
    return {block_q.data(), block_sums.data(), block_scales.data(), q_stride, n};
  }

 private:
  static std::size_t size(std::int64_t a, std::int64_t b) noexcept {
    return static_cast<std::size_t>(a * b);
  }
};

}  // namespace tern::engine
