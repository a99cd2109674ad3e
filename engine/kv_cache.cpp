#include "engine/kv_cache.h"

#include <cstring>

namespace tern::engine {
namespace {

std::int64_t element_bytes(kernels::CacheType type) noexcept {
  return type == kernels::CacheType::kF16 ? 2 : 4;
}

std::size_t cache_bytes(const ModelConfig& c, std::int64_t positions,
                        kernels::CacheType type) noexcept {
  return static_cast<std::size_t>(c.layers * c.kv_dim() * positions * element_bytes(type));
}

void store_row(const kernels::VectorKernels& vector, kernels::CacheType type, const float* x,
               std::int64_t n, std::uint8_t* out) noexcept {
  if (type == kernels::CacheType::kF16) {
    vector.to_f16(x, n, reinterpret_cast<std::uint16_t*>(out));
  } else {
    std::memcpy(out, x, static_cast<std::size_t>(n) * sizeof(float));
  }
}

}  // namespace

KvCache::KvCache(const ModelConfig& config, std::int64_t sequences, std::int64_t context,
                 kernels::CacheType type_k, kernels::CacheType type_v)
    : layers_(config.layers),
      kv_heads_(config.kv_heads),
      head_dim_(config.head_dim),
      context_(context),
      type_k_(type_k),
      type_v_(type_v),
      keys_(cache_bytes(config, sequences * context, type_k)),
      values_(cache_bytes(config, sequences * context, type_v)) {}

std::int64_t KvCache::offset(std::int64_t sequence, std::int64_t layer, std::int64_t kv_head,
                             std::int64_t position) const noexcept {
  return (((sequence * layers_ + layer) * kv_heads_ + kv_head) * context_ + position) * head_dim_;
}

const void* KvCache::keys(std::int64_t sequence, std::int64_t layer,
                          std::int64_t kv_head) const noexcept {
  return keys_.data() + offset(sequence, layer, kv_head, 0) * element_bytes(type_k_);
}

const void* KvCache::values(std::int64_t sequence, std::int64_t layer,
                            std::int64_t kv_head) const noexcept {
  return values_.data() + offset(sequence, layer, kv_head, 0) * element_bytes(type_v_);
}

void KvCache::store(const kernels::VectorKernels& vector, std::int64_t sequence, std::int64_t layer,
                    std::int64_t position, const float* key, const float* value) noexcept {
  for (std::int64_t head = 0; head < kv_heads_; ++head) {
    const std::int64_t at = offset(sequence, layer, head, position);
    store_row(vector, type_k_, key + head * head_dim_, head_dim_,
              keys_.data() + at * element_bytes(type_k_));
    store_row(vector, type_v_, value + head * head_dim_, head_dim_,
              values_.data() + at * element_bytes(type_v_));
  }
}

void KvCache::copy_prefix(std::int64_t from, std::int64_t to, std::int64_t positions) noexcept {
  const auto copy = [&](kernels::AlignedBuffer<std::uint8_t>& all, kernels::CacheType type,
                        std::int64_t source, std::int64_t target) {
    std::memcpy(all.data() + target * element_bytes(type),
                all.data() + source * element_bytes(type),
                static_cast<std::size_t>(positions * head_dim_ * element_bytes(type)));
  };
  for (std::int64_t layer = 0; layer < layers_; ++layer) {
    for (std::int64_t head = 0; head < kv_heads_; ++head) {
      const std::int64_t source = offset(from, layer, head, 0);
      const std::int64_t target = offset(to, layer, head, 0);
      copy(keys_, type_k_, source, target);
      copy(values_, type_v_, source, target);
    }
  }
}

std::int64_t KvCache::bytes() const noexcept {
  return static_cast<std::int64_t>(keys_.bytes() + values_.bytes());
}

std::int64_t KvCache::bytes_per_position() const noexcept {
  return layers_ * kv_heads_ * head_dim_ * (element_bytes(type_k_) + element_bytes(type_v_));
}

std::int64_t KvCache::bytes_needed(const ModelConfig& config, std::int64_t sequences,
                                   std::int64_t context, kernels::CacheType type_k,
                                   kernels::CacheType type_v) noexcept {
  return static_cast<std::int64_t>(cache_bytes(config, sequences * context, type_k) +
                                   cache_bytes(config, sequences * context, type_v));
}

}  // namespace tern::engine
