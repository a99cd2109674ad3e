#pragma once
// Conversations with a model: KV caches that grow as tokens are evaluated. A session holds one
// sequence, or several side by side that share the model and each forward pass; every sequence gets
// the very answers it would get alone. Nothing is allocated after construction. Not thread-safe;
// one session at a time may use a ThreadPool.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/logits.h"
#include "engine/model.h"
#include "engine/operations.h"
#include "engine/skip_counts.h"
#include "kernels/attention/attention.h"

namespace tern::engine {

class ThreadPool;
struct PhaseTimes;

inline constexpr std::int64_t kMostSequences = 1024;

struct SessionOptions {
  std::int64_t context = 0;  // positions the cache holds, for each sequence; 0: the model's
  kernels::CacheType cache_k = kernels::CacheType::kF16;
  kernels::CacheType cache_v = kernels::CacheType::kF16;
  std::int64_t ubatch = 512;   // tokens evaluated together in prefill
  std::int64_t sequences = 1;  // numbered from 0; at most kMostSequences
};

// One row of a step: a token that takes the next position of its sequence.
struct StepRow {
  int sequence = 0;
  int token = 0;
  bool logits = true;  // whether the logits after it are wanted
};

// A token that is judged by the logits after row `row` of a step.
struct StepTarget {
  std::int64_t row = 0;
  int token = 0;
};

// What is wanted of a step: logits, or no more than the token of the largest one.
enum class Answer : std::uint8_t { kLogits, kToken };

// Receives the logits (vocab) after row `index` of what was evaluated; valid during the call.
using LogitsSink = std::function<void(std::int64_t index, std::span<const float> logits)>;

// Receives the token that a greedy continuation has behind row `index` of a step.
using TokenSink = std::function<void(std::int64_t index, int token)>;

// Receives, of target `index`, ln softmax(logits)[token] and whether no other token has a larger
// logit (the first of equals counts as the larger).
using ScoreSink = std::function<void(std::int64_t index, double log_probability, bool best)>;

// Every function with a `sequence` throws Error when there is none of that number.
class Session {
 public:
  // Throws Error when memory cannot hold the cache.
  Session(std::shared_ptr<const Model> model, ThreadPool& pool, const SessionOptions& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Model& model() const noexcept;
  std::int64_t context() const noexcept;
  std::int64_t sequences() const noexcept;
  std::int64_t most_rows() const noexcept;        // of one step: one of each sequence, or ubatch
  std::int64_t position(int sequence = 0) const;  // tokens in the cache
  void truncate(std::int64_t positions, int sequence = 0);  // forget everything behind; 0 resets

  // Sequence `to` becomes the first `positions` tokens of `from`, without evaluating them again.
  // Throws Error when `from` has fewer.
  void copy_prefix(int from, int to, std::int64_t positions);

  // Evaluates `tokens` at the next positions and returns the logits (vocab) after the last one;
  // valid until the next call. Throws Error when a token is outside the vocabulary, the context is
  // full, or the logits are not finite.
  std::span<const float> prefill(std::span<const int> tokens, int sequence = 0);

  // As prefill, and hands out the logits (vocab) after every token, in order: sink(index, logits).
  void prefill_all(std::span<const int> tokens, const LogitsSink& sink, int sequence = 0);

  // One token; the same logits as prefill({token}).
  std::span<const float> decode(int token, int sequence = 0);

  // Evaluates up to most_rows() rows of any mix of sequences in one forward pass, rows of the same
  // sequence in their order, and hands out the logits that are wanted in the order of rows. Throws
  // Error as prefill does, before anything is evaluated. Where numbers of a sequence are not
  // finite, that sequence stays where it was and gets no logits behind the first that are not; the
  // others get theirs, and then a RunError names it.
  void step(std::span<const StepRow> rows, const LogitsSink& sink);

  // argmax(decode(token)), and argmax of the logits that step() hands out, with the same errors. A
  // model with a greedy head (ModelOptions) does not compute all logits for them.
  int decode_greedy(int token, int sequence = 0);
  void step_greedy(std::span<const StepRow> rows, const TokenSink& sink);

  // Evaluates rows as step() does, whatever their `logits` say, and judges the targets, which are
  // in ascending order of their rows; a row may have several. The sums over the vocabulary are made
  // by all threads. Throws Error when a target has no row or no token of the vocabulary.
  void step_scores(std::span<const StepRow> rows, std::span<const StepTarget> targets,
                   const ScoreSink& sink);

  // Adds the time of every later pass to *times (engine/phase_times.h), waits of the pool included;
  // nullptr: no longer. Results are the same.
  void time_phases(PhaseTimes* times) noexcept;

  // Bytes the memory system must deliver to decode one token at `position`: packed weights, the
  // embedding row, the keys and values of all earlier positions (in sliding layers, of the window),
  // and the new row written. Of a
  // greedy head only its copy of the head counts: the few panels of the head itself that a search
  // reads depend on the numbers, not on shapes.
  // Where zeros are skipped, of `up` and `down` what decoding has read on average so far counts.
  std::int64_t bytes_per_token(std::int64_t position,
                               Answer answer = Answer::kLogits) const noexcept;
  // The same for a step of one token of each of several sequences: the weights are read once.
  std::int64_t bytes_per_step(std::span<const std::int64_t> positions,
                              Answer answer = Answer::kLogits) const noexcept;
  // Multiplications and additions of the linear layers per token evaluated, and of the output head
  // per position whose logits, or token, are made. Attention is not counted.
  Operations layer_operations() const noexcept;
  // What decoding one token of one sequence has left out of them on average so far, where zeros are
  // skipped.
  Operations skipped_operations() const noexcept;
  Operations head_operations(Answer answer = Answer::kLogits) const noexcept;
  // Bytes of weights read once per forward pass of a (micro-)batch, whatever its size.
  std::int64_t weight_bytes(Answer answer = Answer::kLogits) const noexcept;
  // What decoding has read of `up` and `down` since the session began; zeros: nothing is skipped.
  const SkipCounts& skip_counts() const noexcept;
  std::int64_t cache_bytes() const noexcept;  // of keys and values, of all sequences

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tern::engine
