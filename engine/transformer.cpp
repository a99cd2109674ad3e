#include "engine/transformer.h"

#include <algorithm>
#include <cstring>

#include "engine/logits.h"
#include "engine/rope.h"

namespace tern::engine {

Transformer::Transformer(const Model& model, ThreadPool& pool, std::int64_t context)
    : config_(model.config()),
      weights_(model.weights()),
      table_(model.table()),
      pool_(pool),
      rope_(rope_table(config_.rope_theta, config_.rope_divisors, context)) {
  if (!config_.sliding.empty()) sliding_rope_ = rope_table(config_.sliding_rope_theta, {}, context);
}

Transformer::RopeTable Transformer::rope_table(double theta, std::span<const float> divisors,
                                               std::int64_t context) const {
  RopeTable table(static_cast<std::size_t>(context * config_.head_dim));
  pool_.parallel_rows(context, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      fill_rope_row(theta, divisors, config_.head_dim, p, table.data() + p * config_.head_dim);
    }
  });
  return table;
}

void Transformer::forward(std::span<const Row> rows, KvCache& cache, Workspace& ws) const {
  find_spans(rows, ws);
  embed(rows, ws);  // x (n, hidden)
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    attention_block(layer, rows, cache, ws);  // x += o_proj(attention(norm(x)))
    ffn_block(layer, std::ssize(rows), ws);   // x += down(act(gate, up)(norm(x)))
  }
}

void Transformer::embed(std::span<const Row> rows, Workspace& ws) const {
  PhaseLaps laps(ws.phases);
  for_tokens(std::ssize(rows), [&](std::int64_t t) {
    const int token = rows[static_cast<std::size_t>(t)].token;
    ws.finite[static_cast<std::size_t>(t)] = true;
    float* x = ws.x.data() + t * config_.hidden;
    std::visit([&](const auto& w) { w.unpack_row(token, x); }, weights_.shared->embedding);
    if (config_.embedding_scale != 1) {
      table_.vector.scale(x, config_.embedding_scale, config_.hidden);
    }
  });
  laps.charge(Phase::kEmbed);
}

void Transformer::attention_block(std::int64_t layer, std::span<const Row> rows, KvCache& cache,
                                  Workspace& ws) const {
  const std::int64_t n = std::ssize(rows);
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  const auto& norms = weights_.shared->norms[static_cast<std::size_t>(layer)];
  PhaseLaps laps(ws.phases);
  for_tokens(n, [&](std::int64_t t) {
    prepare(ws.x.data() + t * config_.hidden, config_.hidden, norms.attn, reads({&w.q, &w.k, &w.v}),
            t, ws);
  });
  laps.charge(Phase::kPrepare);
  apply<3>({{&w.q, ws.q.data()}, {&w.k, ws.k.data()}, {&w.v, ws.v.data()}}, n, ws);
  laps.charge(Phase::kQkv);
  rotate_and_store(layer, rows, cache, ws);
  laps.charge(Phase::kRopeStore);
  attend(layer, rows, cache, ws);  // q (n, heads * head_dim) becomes the output
  laps.charge(Phase::kAttention);
  for_tokens(n, [&](std::int64_t t) {
    prepare(ws.q.data() + t * config_.q_dim(), config_.q_dim(), norms.attn_sub, reads({&w.o}), t,
            ws);
  });
  laps.charge(Phase::kPrepare);
  apply<1>({{&w.o, ws.branch.data()}}, n, ws);
  laps.charge(Phase::kOutput);
  add_branch(n, norms.post_attn, ws);
  laps.charge(Phase::kResidual);
}

void Transformer::ffn_block(std::int64_t layer, std::int64_t n, Workspace& ws) const {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  const auto& norms = weights_.shared->norms[static_cast<std::size_t>(layer)];
  const auto activate = config_.activation == Activation::kRelu2  ? table_.vector.relu2_mul
                        : config_.activation == Activation::kSilu ? table_.vector.silu_mul
                                                                  : table_.vector.gelu_mul;
  PhaseLaps laps(ws.phases);
  for_tokens(n, [&](std::int64_t t) {
    prepare(ws.x.data() + t * config_.hidden, config_.hidden, norms.ffn, reads({&w.gate, &w.up}), t,
            ws);
  });
  laps.charge(Phase::kPrepare);
  const SparseFfn* sparse = n == 1 ? w.sparse.get() : nullptr;
  if (sparse != nullptr) {
    sparse->gate_up(w.gate, activations(n, ws), pool_, ws.sparse, ws.gate.data(), ws.up.data());
  } else {
    apply<2>({{&w.gate, ws.gate.data()}, {&w.up, ws.up.data()}}, n, ws);
  }
  laps.charge(Phase::kGateUp);
  for_tokens(n, [&](std::int64_t t) {
    float* gate = ws.gate.data() + t * config_.ffn;
    activate(gate, ws.up.data() + t * config_.ffn, config_.ffn, gate);
    prepare(gate, config_.ffn, norms.ffn_sub, reads({&w.down}), t, ws);
  });
  laps.charge(Phase::kActivation);
  if (sparse != nullptr) {
    sparse->down(activations(n, ws), pool_, ws.sparse, ws.branch.data());
  } else {
    apply<1>({{&w.down, ws.branch.data()}}, n, ws);
  }
  laps.charge(Phase::kDown);
  add_branch(n, norms.post_ffn, ws);
  laps.charge(Phase::kResidual);
}

void Transformer::add_biases(std::int64_t layer, std::int64_t t, Workspace& ws) const {
  if (!config_.qkv_bias) return;
  const auto& biases = weights_.shared->biases[static_cast<std::size_t>(layer)];
  table_.vector.add(ws.q.data() + t * config_.q_dim(), biases.q.data(), config_.q_dim());
  table_.vector.add(ws.k.data() + t * config_.kv_dim(), biases.k.data(), config_.kv_dim());
  table_.vector.add(ws.v.data() + t * config_.kv_dim(), biases.v.data(), config_.kv_dim());
}

void Transformer::norm_heads(std::int64_t layer, std::int64_t t, Workspace& ws) const {
  if (!config_.qk_norms) return;
  const auto& norms = weights_.shared->norms[static_cast<std::size_t>(layer)];
  const auto norm = [&](float* x, std::int64_t heads, const std::vector<float>& w) {
    for (std::int64_t h = 0; h < heads; ++h, x += config_.head_dim) {
      table_.vector.rms_norm(x, w.data(), config_.head_dim, config_.rms_eps, x);
    }
  };
  norm(ws.q.data() + t * config_.q_dim(), config_.heads, norms.q);
  norm(ws.k.data() + t * config_.kv_dim(), config_.kv_heads, norms.k);
}

void Transformer::rotate_and_store(std::int64_t layer, std::span<const Row> rows, KvCache& cache,
                                   Workspace& ws) const {
  const auto rotate = config_.rope_pairs == RopePairs::kHalf ? table_.vector.rope_half
                                                             : table_.vector.rope_interleaved;
  const std::int64_t head_dim = config_.head_dim;
  const RopeTable& rope = config_.slides(layer) ? sliding_rope_ : rope_;
  for_tokens(std::ssize(rows), [&](std::int64_t t) {
    const Row& row = rows[static_cast<std::size_t>(t)];
    const float* cos_sin = rope.data() + row.position * head_dim;
    float* q = ws.q.data() + t * config_.q_dim();
    float* k = ws.k.data() + t * config_.kv_dim();
    add_biases(layer, t, ws);
    norm_heads(layer, t, ws);
    for (std::int64_t h = 0; h < config_.heads; ++h) rotate(q + h * head_dim, cos_sin, head_dim);
    for (std::int64_t h = 0; h < config_.kv_heads; ++h) rotate(k + h * head_dim, cos_sin, head_dim);
    cache.store(table_.vector, row.sequence, layer, row.position, k,
                ws.v.data() + t * config_.kv_dim());
  });
}

void Transformer::add_branch(std::int64_t n, std::span<const float> post_norm,
                             Workspace& ws) const {
  for_tokens(n, [&](std::int64_t t) {
    float* branch = ws.branch.data() + t * config_.hidden;
    if (!post_norm.empty()) {
      table_.vector.rms_norm(branch, post_norm.data(), config_.hidden, config_.rms_eps, branch);
    }
    table_.vector.add(ws.x.data() + t * config_.hidden, branch, config_.hidden);
  });
}

Transformer::Reads Transformer::reads(std::initializer_list<const Linear*> layers) {
  Reads reads;
  for (const Linear* w : layers) {
    reads.ternary |= is_ternary(*w);
    reads.blocks |= is_block(*w);
  }
  return reads;
}

void Transformer::prepare(const float* x, std::int64_t width, std::span<const float> norm,
                          Reads reads, std::int64_t t, Workspace& ws) const {
  float* out = ws.normed.data() + t * ws.widest;
  if (norm.empty()) {
    std::memcpy(out, x, static_cast<std::size_t>(width) * sizeof(float));
  } else {
    table_.vector.rms_norm(x, norm.data(), width, config_.rms_eps, out);
  }
  // Quantisation would hide a NaN or an infinity: the promise of one answer is for finite values
  // only.
  if (!table_.vector.all_finite(out, width)) ws.finite[static_cast<std::size_t>(t)] = false;
  if (reads.ternary) {
    ws.q_scales[static_cast<std::size_t>(t)] = table_.quantize.quantize_row(
        out, width, ws.quantized.data() + t * ws.q_stride, ws.sums.data() + t);
  }
  if (reads.blocks) {
    table_.quantize.quantize_blocks(
        out, width, ws.block_q.data() + t * ws.q_stride,
        ws.block_sums.data() + t * (ws.q_stride / 16),
        ws.block_scales.data() + t * (ws.q_stride / kernels::kQuantBlock));
  }
}

Activations Transformer::activations(std::int64_t n, const Workspace& ws) {
  return {ws.normed.data(),   ws.widest, ws.quantized.data(), ws.q_stride, ws.sums.data(),
          ws.q_scales.data(), n,         ws.blocks(n)};
}

// The rows of all jobs form one range that is cut into equal shares, so that small matrices (k, v)
// do not leave threads idle.
template <std::size_t N>
void Transformer::apply(const Job (&jobs)[N], std::int64_t n, Workspace& ws) const {
  const Activations in = activations(n, ws);
  std::int64_t blocks = 0;
  for (const Job& job : jobs) blocks += (rows(*job.w) + row_block(*job.w) - 1) / row_block(*job.w);
  pool_.run([&](int member) {
    float* row_scales = ws.row_scales.data() + member * round_up(ws.tokens, 16);
    const std::int64_t first = blocks * member / pool_.threads();
    const std::int64_t last = blocks * (member + 1) / pool_.threads();
    std::int64_t start = 0;  // of the job, in blocks
    for (const Job& job : jobs) {
      const std::int64_t block = row_block(*job.w);
      const std::int64_t count = (rows(*job.w) + block - 1) / block;
      const std::int64_t begin = std::max(first - start, std::int64_t{0}) * block;
      const std::int64_t end = std::min(std::min(last - start, count) * block, rows(*job.w));
      if (begin < end) {
        std::visit([&](const auto& w) { w.apply(in, row_scales, job.y, w.rows(), begin, end); },
                   *job.w);
      }
      start += count;
    }
  });
}

// The head takes the leading rows of ws.normed; the residual stream stays.
Activations Transformer::prepare_head(std::span<const std::int64_t> wanted, bool blocks,
                                      Workspace& ws) const {
  const std::int64_t n = std::ssize(wanted);
  for_tokens(n, [&](std::int64_t i) {
    ws.finite[static_cast<std::size_t>(i)] = true;
    prepare(ws.x.data() + wanted[static_cast<std::size_t>(i)] * config_.hidden, config_.hidden,
            weights_.shared->output_norm, {.ternary = false, .blocks = blocks}, i, ws);
  });
  return {ws.normed.data(), ws.widest, nullptr, 0, nullptr, nullptr, n, ws.blocks(n)};
}

void Transformer::apply_head(const Activations& in, Workspace& ws) const {
  const auto apply = [&](const auto& w) {
    pool_.parallel_rows(w.rows(), w.row_block(), [&](std::int64_t begin, std::int64_t end) {
      w.apply(in, nullptr, ws.logits.data(), w.rows(), begin, end);
    });
  };
  std::visit(apply, weights_.shared->head());
}

void Transformer::logits(std::span<const std::int64_t> wanted, Workspace& ws) const {
  PhaseLaps laps(ws.phases);
  apply_head(prepare_head(wanted, is_block(weights_.shared->head()), ws), ws);
  laps.charge(Phase::kHead);
}

void Transformer::best(std::span<const std::int64_t> wanted, Workspace& ws) const {
  PhaseLaps laps(ws.phases);
  const Embedding& head = weights_.shared->head();
  const GreedyHead* greedy = weights_.shared->greedy_head.get();
  const Activations in = prepare_head(wanted, is_block(head) || greedy != nullptr, ws);
  if (greedy == nullptr || !greedy->find(std::get<HalfLinear>(head), in, pool_, ws.greedy,
                                         ws.logits.data(), ws.best.data())) {
    apply_head(in, ws);
    for_tokens(in.tokens, [&](std::int64_t i) {
      const auto vocab = static_cast<std::size_t>(config_.vocab);
      const auto at = static_cast<std::size_t>(i);
      const auto logits = std::as_const(ws.logits).span().subspan(at * vocab, vocab);
      if (!table_.vector.all_finite(logits.data(), config_.vocab)) ws.finite[at] = false;
      ws.best[at] = argmax(logits);
    });
  }
  laps.charge(Phase::kHead);
}

template <class F>
void Transformer::for_tokens(std::int64_t n, F&& f) const {
  if (n == 1) {
    f(0);
    return;
  }
  pool_.parallel_rows(n, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) f(t);
  });
}

}  // namespace tern::engine
