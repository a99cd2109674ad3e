// The attention of a forward pass: which queries read keys and values together, and the two passes
// over them. What a query gets does not depend on its company (kernels/attention/attention.h).

#include <algorithm>
#include <atomic>

#include "engine/transformer.h"

namespace tern::engine {

// Query heads that share a kv head: of one row, or of neighbouring rows of one sequence.
struct Transformer::QueryGroup {
  struct Keys {
    std::int64_t begin, end;
    // The first position of the block in which they begin.
    std::int64_t first_block() const noexcept { return begin / kBlock * kBlock; }
  };
  static constexpr std::int64_t kBlock = kernels::kAttentionBlock;

  const void* keys = nullptr;
  const void* values = nullptr;
  std::int64_t count = 0;
  Keys shared{};           // what all of them see; may be empty
  float* q[kMaxQueries];   // (head_dim): the query, which its output replaces
  Keys sees[kMaxQueries];  // positions of the keys it sees; neither end ever falls
};

void Transformer::attend(std::int64_t layer, std::span<const Row> rows, const KvCache& cache,
                         Workspace& ws) const {
  const std::int64_t heads = config_.heads / config_.kv_heads;  // of one kv head
  const std::int64_t most = std::min(heads, kMaxQueries);       // of them in one group
  const std::int64_t parts = (heads + most - 1) / most;
  const std::int64_t head_dim = config_.head_dim;
  const std::int64_t partial_stride = kMaxQueries * round_up(head_dim, 16);
  const auto attend_item = [&](int member, std::int64_t i) {
    const std::int64_t kv_head = i / (parts * ws.spans);
    const std::int64_t first_head = i / ws.spans % parts * most;
    const auto span = static_cast<std::size_t>(i % ws.spans);
    const Row& first = rows[static_cast<std::size_t>(ws.span_begin[span])];
    QueryGroup group;
    group.keys = cache.keys(first.sequence, layer, kv_head);
    group.values = cache.values(first.sequence, layer, kv_head);
    for (std::int64_t t = ws.span_begin[span]; t < ws.span_begin[span + 1]; ++t) {
      float* q = ws.q.data() + t * config_.q_dim() + kv_head * heads * head_dim;
      for (std::int64_t h = first_head; h < std::min(first_head + most, heads); ++h) {
        group.q[group.count] = q + h * head_dim;
        const std::int64_t position = rows[static_cast<std::size_t>(t)].position;
        group.sees[group.count++] = {config_.first_key(layer, position), position + 1};
      }
    }
    group.shared = {group.sees[group.count - 1].begin, group.sees[0].end};
    attend_group(group, cache, ws.scores.data() + member * kMaxQueries * ws.scores_stride,
                 ws.scores_stride, ws.partial.data() + member * partial_stride);
  };
  // Handed out one by one; neighbours share keys and values.
  std::atomic<std::int64_t> next{0};
  pool_.run([&](int member) {
    const std::int64_t items = config_.kv_heads * parts * ws.spans;
    for (std::int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < items;
         i = next.fetch_add(1, std::memory_order_relaxed)) {
      attend_item(member, i);
    }
  });
}

// For each query softmax(q k^T / sqrt(head_dim, or the query scalar)) v over the keys it sees.
void Transformer::attend_group(const QueryGroup& group, const KvCache& cache, float* scores,
                               std::int64_t scores_stride, float* partial) const {
  const kernels::AttentionKernels& attention = table_.attention;
  const std::int64_t head_dim = config_.head_dim;
  const double scalar =
      config_.query_scalar > 0 ? config_.query_scalar : static_cast<double>(head_dim);
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(scalar));
  const QueryGroup::Keys* sees = group.sees;
  const std::int64_t all = sees[group.count - 1].end;
  // A few scores too many where queries see fewer keys: they are not looked at.
  attention.scores(group.q, group.count, group.keys, cache.type_k(), head_dim, scale, sees[0].begin,
                   all, scores, scores_stride);
  float max[kMaxQueries];
  float total[kMaxQueries] = {};
  float* sums[kMaxQueries];
  for (std::int64_t i = 0; i < group.count; ++i) {
    max[i] =
        attention.largest(scores + i * scores_stride + sees[i].begin, sees[i].end - sees[i].begin);
  }
  for (std::int64_t block = sees[0].first_block(); block < all; block += QueryGroup::kBlock) {
    for (std::int64_t i = 0; i < group.count; ++i) {
      sums[i] = block == sees[i].first_block() ? group.q[i] : partial + i * head_dim;
      if (block >= sees[i].first_block()) std::fill_n(sums[i], head_dim, 0.0f);
      const std::int64_t begin = std::max(block, sees[i].begin);
      const std::int64_t n = std::min(sees[i].end, block + QueryGroup::kBlock) - begin;
      if (n > 0) total[i] += attention.weigh(scores + i * scores_stride + begin, max[i], n);
    }
    add_block(group, cache, block, scores, scores_stride, sums);
    for (std::int64_t i = 0; i < group.count; ++i) {
      if (block > sees[i].first_block() && sees[i].end > block) {
        table_.vector.add(group.q[i], sums[i], head_dim);
      }
    }
  }
  for (std::int64_t i = 0; i < group.count; ++i) {
    table_.vector.scale(group.q[i], 1.0f / total[i], head_dim);
  }
}

// sums[i] += weights times values of the block, keys ascending: those before the ones that all
// queries see, those, and those behind them.
void Transformer::add_block(const QueryGroup& group, const KvCache& cache, std::int64_t block,
                            const float* weights, std::int64_t stride, float* const* sums) const {
  const auto add = [&](std::int64_t i, std::int64_t queries, std::int64_t from, std::int64_t to) {
    from = std::max(from, block);
    to = std::min(to, block + QueryGroup::kBlock);
    if (from >= to) return;
    table_.attention.weighted_sum(weights + i * stride, stride, queries, group.values,
                                  cache.type_v(), config_.head_dim, from, to, sums + i);
  };
  const auto [begin, end] = group.shared;
  if (begin >= end) {
    for (std::int64_t i = 0; i < group.count; ++i)
      add(i, 1, group.sees[i].begin, group.sees[i].end);
    return;
  }
  for (std::int64_t i = 0; i < group.count; ++i) add(i, 1, group.sees[i].begin, begin);
  add(0, group.count, begin, end);
  for (std::int64_t i = 0; i < group.count; ++i) add(i, 1, end, group.sees[i].end);
}

// Spans of rows that attend together: consecutive positions of one sequence, as many as a group of
// queries has room for.
void Transformer::find_spans(std::span<const Row> rows, Workspace& ws) const {
  const std::int64_t heads = config_.heads / config_.kv_heads;
  const std::int64_t most = std::max(kMaxQueries / heads, std::int64_t{1});
  ws.spans = 0;
  std::int64_t begin = 0;
  for (std::int64_t t = 0; t < std::ssize(rows); ++t) {
    const Row& row = rows[static_cast<std::size_t>(t)];
    const Row& before = rows[static_cast<std::size_t>(std::max(t - 1, std::int64_t{0}))];
    const bool follows = row.sequence == before.sequence && row.position == before.position + 1;
    if (t == 0 || !follows || t - begin == most) {
      begin = t;
      ws.span_begin[static_cast<std::size_t>(ws.spans++)] = t;
    }
  }
  ws.span_begin[static_cast<std::size_t>(ws.spans)] = std::ssize(rows);
}

}  // namespace tern::engine
