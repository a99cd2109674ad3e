#pragma once
// One conversation with a model: a KV cache that grows as tokens are evaluated. Not thread-safe;
// one session at a time may use a ThreadPool.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/model.h"
#include "kernels/attention/attention.h"

namespace tern::engine {

class ThreadPool;

struct SessionOptions {
  std::int64_t context = 0;  // positions the cache holds; 0: the model's
  kernels::CacheType cache_k = kernels::CacheType::kF16;
  kernels::CacheType cache_v = kernels::CacheType::kF16;
  std::int64_t ubatch = 512;  // tokens evaluated together in prefill
};

class Session {
 public:
  // Throws Error when memory cannot hold the cache.
  Session(std::shared_ptr<const Model> model, ThreadPool& pool, const SessionOptions& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Model& model() const noexcept;
  std::int64_t position() const noexcept;  // tokens in the cache
  std::int64_t context() const noexcept;
  void truncate(std::int64_t positions);  // forget everything behind; 0 resets

  // Evaluates `tokens` at the next positions and returns the logits (vocab) after the last one;
  // valid until the next call. Throws Error when a token is outside the vocabulary, the context is
  // full, or the logits are not finite.
  std::span<const float> prefill(std::span<const int> tokens);

  // As prefill, and hands out the logits (vocab) after every token, in order: sink(index, logits).
  void prefill_all(std::span<const int> tokens,
                   const std::function<void(std::int64_t, std::span<const float>)>& sink);

  // One token; the same logits as prefill({token}).
  std::span<const float> decode(int token);

  // Bytes the memory system must deliver to decode one token at `position`: packed weights, the
  // embedding row, the keys and values of all earlier positions, and the new row written.
  std::int64_t bytes_per_token(std::int64_t position) const noexcept;
  // Bytes of weights read once per forward pass of a (micro-)batch, whatever its size.
  std::int64_t weight_bytes() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The largest logit, the first one on ties.
int argmax(std::span<const float> logits) noexcept;

// Fingerprint of logits for "did the fast run do the work": 64-bit FNV-1a over their little-endian
// bytes, continued from `seed` so that several rows hash into one.
inline constexpr std::uint64_t kLogitsHashSeed = 0xcbf29ce484222325u;
std::uint64_t hash_logits(std::span<const float> logits,
                          std::uint64_t seed = kLogitsHashSeed) noexcept;

}  // namespace tern::engine
