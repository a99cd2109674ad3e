#pragma once
// Keys and values of all positions evaluated so far, of several sequences that know nothing of each
// other. Per sequence, layer and kv head one contiguous (context, head_dim) array, so that
// attention streams it.

#include <cstdint>

#include "engine/model_config.h"
#include "kernels/aligned_buffer.h"
#include "kernels/kernel_table.h"

namespace tern::engine {

class KvCache {
 public:
  // `context` positions for each sequence. Throws std::bad_alloc when memory is short. Contents
  // start undefined; only rows written are read.
  KvCache(const ModelConfig& config, std::int64_t sequences, std::int64_t context,
          kernels::CacheType type_k, kernels::CacheType type_v);

  std::int64_t context() const noexcept { return context_; }
  kernels::CacheType type_k() const noexcept { return type_k_; }
  kernels::CacheType type_v() const noexcept { return type_v_; }

  // Row of position 0 of one kv head: (context, head_dim).
  const void* keys(std::int64_t sequence, std::int64_t layer, std::int64_t kv_head) const noexcept;
  const void* values(std::int64_t sequence, std::int64_t layer,
                     std::int64_t kv_head) const noexcept;

  // Stores one position; key, value: (kv_heads * head_dim), rounded to the cache types.
  void store(const kernels::VectorKernels& vector, std::int64_t sequence, std::int64_t layer,
             std::int64_t position, const float* key, const float* value) noexcept;

  // Positions [0, positions) of `from`, in all layers, become those of `to`, another sequence.
  void copy_prefix(std::int64_t from, std::int64_t to, std::int64_t positions) noexcept;

  std::int64_t bytes() const noexcept;
  std::int64_t bytes_per_position() const noexcept;  // of all layers, keys and values
  static std::int64_t bytes_needed(const ModelConfig& config, std::int64_t sequences,
                                   std::int64_t context, kernels::CacheType type_k,
                                   kernels::CacheType type_v) noexcept;

 private:
  std::int64_t offset(std::int64_t sequence, std::int64_t layer, std::int64_t kv_head,
                      std::int64_t position) const noexcept;

  std::int64_t layers_, kv_heads_, head_dim_, context_;
  kernels::CacheType type_k_, type_v_;
  kernels::AlignedBuffer<std::uint8_t> keys_, values_;
};

}  // namespace tern::engine
