#include "engine/sparse_ffn.h"

#include <algorithm>

#include "engine/thread_pool.h"
#include "engine/workspace.h"

namespace tern::engine {

SparseScratch::SparseScratch(std::int64_t ffn, std::int64_t hidden, std::int64_t threads)
    : stride(round_up(hidden, kernels::kSparseLineCols)),
      list(static_cast<std::size_t>(ffn)),
      parts(static_cast<std::size_t>(threads * stride)),
      listed(static_cast<std::size_t>(threads * kApart)),
      row_scales(static_cast<std::size_t>(threads * kApart)) {}

// Whoever computes rows of the gate goes on with those rows of `up`: nobody waits in between.
void SparseFfn::gate_up(const Linear& gate, const Activations& in, ThreadPool& pool,
                        SparseScratch& scratch, float* gate_out, float* up_out) const noexcept {
  const std::int64_t block = row_block(gate);
  const std::int64_t blocks = (ffn_ + block - 1) / block;
  pool.run([&](int member) {
    const std::int64_t begin = blocks * member / pool.threads() * block;
    const std::int64_t end = std::min(blocks * (member + 1) / pool.threads() * block, ffn_);
    std::int32_t& listed = scratch.listed[static_cast<std::size_t>(member * SparseScratch::kApart)];
    listed = 0;
    if (begin >= end) return;
    float* row_scales = scratch.row_scales.data() + member * SparseScratch::kApart;
    std::visit([&](const auto& w) { w.apply(in, row_scales, gate_out, ffn_, begin, end); }, gate);
    std::fill(up_out + begin, up_out + end, 0.0f);
    std::int32_t* list = scratch.list.data() + begin;
    listed = static_cast<std::int32_t>(kernels_.list_positive(gate_out, begin, end, list));
    up_rows(in, list, listed, up_out);
  });
  scratch.counts.rows += ffn_;
  for (int member = 0; member < pool.threads(); ++member) {
    scratch.counts.up_read +=
        scratch.listed[static_cast<std::size_t>(member * SparseScratch::kApart)];
  }
}

void SparseFfn::down(const Activations& in, ThreadPool& pool, SparseScratch& scratch,
                     float* y) const noexcept {
  const std::int64_t count = list_inputs(in, scratch.list.data());
  down_columns(in, count, pool, scratch, y);
  scratch.counts.down_read += count;
}

}  // namespace tern::engine
