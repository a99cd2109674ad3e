#include "engine/session.h"

#include <algorithm>
#include <new>

#include "engine/error.h"
#include "engine/transformer.h"

namespace tern::engine {

struct Session::Impl {
  std::shared_ptr<const Model> model;
  std::int64_t context;
  KvCache cache;
  Workspace ws;
  Transformer transformer;
  std::int64_t position = 0;

  Impl(std::shared_ptr<const Model> m, ThreadPool& pool, const SessionOptions& options,
       std::int64_t positions, std::int64_t ubatch)
      : model(std::move(m)),
        context(positions),
        cache(model->config(), positions, options.cache_k, options.cache_v),
        ws(model->config(), ubatch, positions, pool.threads()),
        transformer(*model, pool, positions) {}

  void check(std::span<const int> tokens) const {
    if (tokens.empty()) throw Error("prompt: expected at least one token, got none");
    const auto n = static_cast<std::int64_t>(tokens.size());
    if (n > context - position) {
      throw Error("prompt: expected at most " + std::to_string(context - position) +
                  " more tokens in a context of " + std::to_string(context) + ", got " +
                  std::to_string(n));
    }
    for (const int token : tokens) {
      if (token < 0 || token >= model->config().vocab) {
        throw Error("token: expected an id from 0 to " + std::to_string(model->config().vocab - 1) +
                    ", got " + std::to_string(token));
      }
    }
  }

  std::span<const float> logits_of(std::int64_t index) {
    transformer.logits(index, ws);
    const std::span<const float> logits = std::as_const(ws.logits).span();
    const bool finite = ws.finite.exchange(true, std::memory_order_relaxed) &&
                        model->table().vector.all_finite(logits.data(), std::ssize(logits));
    if (!finite) {
      throw RunError("activations of " + model->facts().spec + " before position " +
                     std::to_string(position) +
                     ": expected finite numbers, got a NaN or an infinity");
    }
    return logits;
  }

  // Evaluates all tokens in micro-batches; after(first, count) runs behind each with ws.x still
  // valid.
  template <class After>
  void evaluate(std::span<const int> tokens, After&& after) {
    check(tokens);
    for (std::size_t first = 0; first < tokens.size();) {
      const std::size_t count =
          std::min(tokens.size() - first, static_cast<std::size_t>(ws.tokens));
      transformer.forward(tokens.subspan(first, count), position, cache, ws);
      position += static_cast<std::int64_t>(count);
      after(first, count);
      first += count;
    }
  }
};

Session::Session(std::shared_ptr<const Model> model, ThreadPool& pool,
                 const SessionOptions& options) {
  const ModelConfig& c = model->config();
  const std::int64_t context = options.context > 0 ? options.context : c.context;
  const std::int64_t ubatch = std::clamp<std::int64_t>(options.ubatch, 1, context);
  const std::int64_t needed = KvCache::bytes_needed(c, context, options.cache_k, options.cache_v);
  const std::int64_t available = available_memory_bytes();
  if (needed > available) {
    throw Error("key/value cache of " + std::to_string(context) + " positions: expected at most " +
                std::to_string(available >> 20) + " MiB of memory, got a need of " +
                std::to_string(needed >> 20) + " MiB");
  }
  impl_ = std::make_unique<Impl>(std::move(model), pool, options, context, ubatch);
}

Session::~Session() = default;

const Model& Session::model() const noexcept { return *impl_->model; }
std::int64_t Session::position() const noexcept { return impl_->position; }
std::int64_t Session::context() const noexcept { return impl_->context; }

void Session::truncate(std::int64_t positions) {
  impl_->position = std::clamp<std::int64_t>(positions, 0, impl_->position);
}

std::span<const float> Session::prefill(std::span<const int> tokens) {
  std::size_t last = 0;
  impl_->evaluate(tokens, [&](std::size_t, std::size_t count) { last = count - 1; });
  return impl_->logits_of(static_cast<std::int64_t>(last));
}

void Session::prefill_all(std::span<const int> tokens,
                          const std::function<void(std::int64_t, std::span<const float>)>& sink) {
  impl_->evaluate(tokens, [&](std::size_t first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      sink(static_cast<std::int64_t>(first + i), impl_->logits_of(static_cast<std::int64_t>(i)));
    }
  });
}

std::span<const float> Session::decode(int token) { return prefill(std::span(&token, 1)); }

std::int64_t Session::bytes_per_token(std::int64_t position) const noexcept {
  const ModelConfig& c = impl_->model->config();
  const std::int64_t embedding_row = c.hidden * impl_->model->weights().shared->embedding.bytes() /
                                     (round_up(c.vocab, 64) * c.hidden);
  return weight_bytes() + embedding_row + (position + 1) * impl_->cache.bytes_per_position();
}

std::int64_t Session::weight_bytes() const noexcept {
  const ModelWeights& w = impl_->model->weights();
  return w.layer_bytes() + w.head_bytes() + w.norm_bytes();
}

}  // namespace tern::engine
