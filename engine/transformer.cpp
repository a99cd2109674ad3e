#include "engine/transformer.h"

#include <algorithm>
#include <cstring>

#include "engine/logits.h"
#include "kernels/vector/math.h"

namespace tern::engine {
namespace {

// inv_freq_i = 1 / theta^(2i / head_dim), angle = position * inv_freq, both rounded to binary32 as
// the reference implementations do (Su et al., arXiv:2104.09864).
void fill_rope_row(const ModelConfig& c, std::int64_t position, float* cos_sin) {
  const std::int64_t half = c.head_dim / 2;
  for (std::int64_t i = 0; i < half; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(c.head_dim);
    const auto inv_freq = static_cast<float>(1.0 / kernels::pow_f64(c.rope_theta, exponent));
    const float angle = static_cast<float>(position) * inv_freq;
    double sine = 0;
    double cosine = 0;
    kernels::sin_cos_f64(static_cast<double>(angle), &sine, &cosine);
    cos_sin[i] = static_cast<float>(cosine);
    cos_sin[half + i] = static_cast<float>(sine);
  }
}

}  // namespace

Transformer::Transformer(const Model& model, ThreadPool& pool, std::int64_t context)
    : config_(model.config()),
      weights_(model.weights()),
      table_(model.table()),
      pool_(pool),
      rope_(static_cast<std::size_t>(context * config_.head_dim)) {
  pool_.parallel_rows(context, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p)
      fill_rope_row(config_, p, rope_.data() + p * config_.head_dim);
  });
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
    std::visit([&](const auto& w) { w.unpack_row(token, ws.x.data() + t * config_.hidden); },
               weights_.shared->embedding);
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
  for_tokens(n, [&](std::int64_t t) {
    table_.vector.add(ws.x.data() + t * config_.hidden, ws.branch.data() + t * config_.hidden,
                      config_.hidden);
  });
  laps.charge(Phase::kResidual);
}

void Transformer::ffn_block(std::int64_t layer, std::int64_t n, Workspace& ws) const {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  const auto& norms = weights_.shared->norms[static_cast<std::size_t>(layer)];
  const auto activate =
      config_.activation == Activation::kRelu2 ? table_.vector.relu2_mul : table_.vector.silu_mul;
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
  for_tokens(n, [&](std::int64_t t) {
    table_.vector.add(ws.x.data() + t * config_.hidden, ws.branch.data() + t * config_.hidden,
                      config_.hidden);
  });
  laps.charge(Phase::kResidual);
}

void Transformer::rotate_and_store(std::int64_t layer, std::span<const Row> rows, KvCache& cache,
                                   Workspace& ws) const {
  const auto rotate = config_.rope_pairs == RopePairs::kHalf ? table_.vector.rope_half
                                                             : table_.vector.rope_interleaved;
  const std::int64_t head_dim = config_.head_dim;
  for_tokens(std::ssize(rows), [&](std::int64_t t) {
    const Row& row = rows[static_cast<std::size_t>(t)];
    const float* cos_sin = rope_.data() + row.position * head_dim;
    float* q = ws.q.data() + t * config_.q_dim();
    float* k = ws.k.data() + t * config_.kv_dim();
    for (std::int64_t h = 0; h < config_.heads; ++h) rotate(q + h * head_dim, cos_sin, head_dim);
    for (std::int64_t h = 0; h < config_.kv_heads; ++h) rotate(k + h * head_dim, cos_sin, head_dim);
    cache.store(table_.vector, row.sequence, layer, row.position, k,
                ws.v.data() + t * config_.kv_dim());
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
