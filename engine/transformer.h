#pragma once
// The mathematics of one forward pass, the same for the ternary model and its FP16 twin: only the
// matrices inside differ. Graph: formats.md section 1.2 (BitNet b1.58) and its relatives, which
// ModelConfig tells apart: Llama (no sub-norms, SiLU), Qwen 2 (biases), Gemma 3 (section 2.4: more
// norms, GELU, sliding windows).

#include <cstdint>
#include <initializer_list>
#include <span>

#include "engine/kv_cache.h"
#include "engine/model.h"
#include "engine/model_weights.h"
#include "engine/thread_pool.h"
#include "engine/workspace.h"

namespace tern::engine {

// One token on its way through the network.
struct Row {
  int token;
  int sequence;           // whose keys and values it attends to
  std::int64_t position;  // in that sequence
};

class Transformer {
 public:
  // cos and sin of every position below `context` are tabulated here; nothing is allocated
  // afterwards.
  Transformer(const Model& model, ThreadPool& pool, std::int64_t context);

  // Evaluates rows.size() <= ws.tokens rows of any mix of sequences, filling the cache. A row
  // attends to everything up to its position, or in its window, rows of this pass included. Leaves
  // the residual stream in ws.x and in ws.finite which rows can be trusted. Token ids, sequences
  // and positions are the caller's to check.
  void forward(std::span<const Row> rows, KvCache& cache, Workspace& ws) const;

  // Logits (wanted.size(), vocab) of the rows of ws.x that `wanted` lists, at most ws.logit_rows,
  // in ws.logits. Afterwards ws.finite is that of the wanted rows, in their order.
  void logits(std::span<const std::int64_t> wanted, Workspace& ws) const;

  // The token of the largest logit of each of those rows, the first one on ties, in ws.best. With a
  // greedy head not all logits are made. Afterwards ws.finite says of the wanted rows, in their
  // order, whether input and logits were finite; ws.logits is scratch.
  void best(std::span<const std::int64_t> wanted, Workspace& ws) const;

 private:
  struct Job {
    const Linear* w;
    float* y;  // (tokens, rows(w))
  };

  void embed(std::span<const Row> rows, Workspace& ws) const;
  void attention_block(std::int64_t layer, std::span<const Row> rows, KvCache& cache,
                       Workspace& ws) const;
  void ffn_block(std::int64_t layer, std::int64_t n, Workspace& ws) const;
  // Row t of ws.q, ws.k and ws.v, up to its rotation: biases and the norm of each head.
  void add_biases(std::int64_t layer, std::int64_t t, Workspace& ws) const;
  void norm_heads(std::int64_t layer, std::int64_t t, Workspace& ws) const;
  void rotate_and_store(std::int64_t layer, std::span<const Row> rows, KvCache& cache,
                        Workspace& ws) const;
  void attend(std::int64_t layer, std::span<const Row> rows, const KvCache& cache,
              Workspace& ws) const;
  struct QueryGroup;
  void attend_group(const QueryGroup& group, const KvCache& cache, float* scores,
                    std::int64_t scores_stride, float* partial) const;
  void add_block(const QueryGroup& group, const KvCache& cache, std::int64_t block,
                 const float* weights, std::int64_t scores_stride, float* const* sums) const;
  void find_spans(std::span<const Row> rows, Workspace& ws) const;
  // What some linear layers read beside binary32.
  struct Reads {
    bool ternary = false, blocks = false;
  };
  static Reads reads(std::initializer_list<const Linear*> layers);
  // Row t of ws.normed = rms_norm(x), or x itself without weights; quantised too as `reads` says.
  void prepare(const float* x, std::int64_t width, std::span<const float> norm, Reads reads,
               std::int64_t t, Workspace& ws) const;
  // The leading n rows of ws.normed and what prepare() made of them.
  static Activations activations(std::int64_t n, const Workspace& ws);
  Activations prepare_head(std::span<const std::int64_t> wanted, bool blocks, Workspace& ws) const;
  void apply_head(const Activations& in, Workspace& ws) const;
  // x += branch, through the post-norm if there is one.
  void add_branch(std::int64_t n, std::span<const float> post_norm, Workspace& ws) const;
  template <std::size_t N>
  void apply(const Job (&jobs)[N], std::int64_t n, Workspace& ws) const;
  template <class F>
  void for_tokens(std::int64_t n, F&& f) const;

  const ModelConfig& config_;
  const ModelWeights& weights_;
  const kernels::KernelTable& table_;
  ThreadPool& pool_;
  using RopeTable = kernels::AlignedBuffer<float>;  // (context, head_dim): cosines, then sines
  RopeTable rope_table(double theta, std::span<const float> divisors, std::int64_t context) const;
  RopeTable rope_;
  RopeTable sliding_rope_;  // of sliding layers; empty: there are none
};

}  // namespace tern::engine
