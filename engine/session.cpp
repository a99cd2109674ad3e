#include "engine/session.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "engine/error.h"
#include "engine/transformer.h"

namespace tern::engine {

struct Session::Impl {
  std::shared_ptr<const Model> model;
  ThreadPool& pool;
  std::int64_t context;
  std::int64_t ubatch;
  KvCache cache;
  Workspace ws;
  Transformer transformer;
  std::vector<std::int64_t> positions;  // (sequences): tokens in the cache

  // The step that runs; reserved once.
  std::vector<Row> rows;
  std::vector<std::int64_t> wanted;  // rows whose logits are wanted
  std::vector<std::int64_t> next;    // (sequences): positions behind the step
  std::vector<bool> failed;          // (sequences): numbers that are not finite
  std::vector<Softmax> softmaxes;    // (ws.logit_rows)

  Impl(std::shared_ptr<const Model> m, ThreadPool& team, const SessionOptions& options,
       std::int64_t most_positions, std::int64_t prefill_tokens)
      : model(std::move(m)),
        pool(team),
        context(most_positions),
        ubatch(prefill_tokens),
        cache(model->config(), options.sequences, context, options.cache_k, options.cache_v),
        ws(model->config(), std::max(ubatch, options.sequences), context, pool.threads()),
        transformer(*model, pool, context),
        positions(static_cast<std::size_t>(options.sequences), 0),
        next(positions.size()),
        failed(positions.size()),
        softmaxes(static_cast<std::size_t>(ws.logit_rows)) {
    rows.reserve(static_cast<std::size_t>(ws.tokens));
    wanted.reserve(static_cast<std::size_t>(ws.tokens));
    const auto& greedy = model->weights().shared->greedy_head;
    if (greedy) ws.prepare_greedy(*greedy, pool.threads());
    if (model->facts().skip_zeros) {
      ws.sparse = SparseScratch(model->config().ffn, model->config().hidden, pool.threads());
    }
  }

  bool searches(Answer answer) const noexcept {
    return answer == Answer::kToken && model->weights().shared->greedy_head != nullptr;
  }

  // What one decoded token has not read on average.
  std::int64_t skipped_bytes() const noexcept {
    const SkipCounts& counts = ws.sparse.counts;
    if (counts.rows == 0) return 0;
    const ModelWeights& w = model->weights();
    const double read = (counts.up_share() + counts.down_share()) / 2;
    return w.up_down_bytes() - std::llround(read * static_cast<double>(w.sparse_bytes()));
  }

  // Keys and values that a token at `position` reads, its own included.
  std::int64_t cache_reads(std::int64_t position) const noexcept {
    const ModelConfig& c = model->config();
    std::int64_t keys = 0;
    for (std::int64_t layer = 0; layer < c.layers; ++layer) {
      keys += position + 1 - c.first_key(layer, position);
    }
    return keys * (cache.bytes_per_position() / c.layers);
  }

  std::int64_t& position(int sequence) {
    if (sequence < 0 || sequence >= std::ssize(positions)) {
      throw Error("sequence: expected a number from 0 to " + std::to_string(positions.size() - 1) +
                  ", got " + std::to_string(sequence));
    }
    return positions[static_cast<std::size_t>(sequence)];
  }

  void check_token(int token) const {
    if (token < 0 || token >= model->config().vocab) {
      throw Error("token: expected an id from 0 to " + std::to_string(model->config().vocab - 1) +
                  ", got " + std::to_string(token));
    }
  }

  void check_prompt(std::span<const int> tokens, int sequence) {
    const std::int64_t room = context - position(sequence);
    if (tokens.empty()) throw Error("prompt: expected at least one token, got none");
    if (std::ssize(tokens) > room) {
      throw Error("prompt: expected at most " + std::to_string(room) +
                  " more tokens in a context of " + std::to_string(context) + ", got " +
                  std::to_string(tokens.size()));
    }
    for (const int token : tokens) check_token(token);
  }

  void check_step(std::span<const StepRow> step) {
    if (step.empty()) throw Error("step: expected at least one row, got none");
    if (std::ssize(step) > ws.tokens) {
      throw Error("step: expected at most " + std::to_string(ws.tokens) + " rows, got " +
                  std::to_string(step.size()));
    }
    begin_step();
    for (const StepRow& row : step) {
      check_token(row.token);
      position(row.sequence);
      ++next[static_cast<std::size_t>(row.sequence)];
    }
    for (std::size_t s = 0; s < next.size(); ++s) {
      if (next[s] <= context) continue;
      throw Error("step: expected at most " + std::to_string(context - positions[s]) +
                  " more tokens of sequence " + std::to_string(s) + " in a context of " +
                  std::to_string(context) + ", got " + std::to_string(next[s] - positions[s]));
    }
  }

  void add_step(std::span<const StepRow> step) {
    check_step(step);
    begin_step();
    for (const StepRow& row : step) add(row.sequence, row.token, row.logits);
  }

  void begin_step() {
    rows.clear();
    wanted.clear();
    std::copy(positions.begin(), positions.end(), next.begin());
    std::fill(failed.begin(), failed.end(), false);
  }

  void add(int sequence, int token, bool logits) {
    if (logits) wanted.push_back(std::ssize(rows));
    rows.push_back({token, sequence, next[static_cast<std::size_t>(sequence)]++});
  }

  // Evaluates what was added; answer(wanted rows) for as many at a time as ws.logits holds. A
  // sequence moves on only when all of it can be trusted.
  template <class Answers>
  void run_step(Answers&& answer) {
    transformer.forward(rows, cache, ws);
    for (std::size_t t = 0; t < rows.size(); ++t) {
      if (!ws.finite[t]) fail(rows[t]);
    }
    const auto most = static_cast<std::size_t>(ws.logit_rows);
    for (std::size_t first = 0; first < wanted.size(); first += most) {
      answer(std::span<const std::int64_t>(wanted).subspan(first,
                                                           std::min(most, wanted.size() - first)));
    }
    for (std::size_t s = 0; s < positions.size(); ++s) {
      if (!failed[s]) positions[s] = next[s];
    }
    throw_failures();
  }

  // deliver(row, logits) for each row of a sequence that can be trusted.
  template <class Deliver>
  void deliver_logits(std::span<const std::int64_t> some, Deliver&& deliver) {
    transformer.logits(some, ws);
    for (std::size_t i = 0; i < some.size(); ++i) {
      check_logits(i);
      deliver_row(some[i], i, deliver);
    }
  }

  // deliver(row, token), the same.
  void deliver_tokens(std::span<const std::int64_t> some, const TokenSink& deliver) {
    transformer.best(some, ws);
    for (std::size_t i = 0; i < some.size(); ++i) {
      const Row& row = rows[static_cast<std::size_t>(some[i])];
      if (!ws.finite[i]) fail(row);
      if (!failed[static_cast<std::size_t>(row.sequence)]) deliver(some[i], ws.best[i]);
    }
  }

  // Row `at` of the logits that were made last: (vocab).
  std::span<const float> logits_at(std::size_t at) const {
    const auto vocab = static_cast<std::size_t>(model->config().vocab);
    return std::as_const(ws.logits).span().subspan(at * vocab, vocab);
  }

  // The rows of the targets become the wanted ones.
  void want(std::span<const StepTarget> targets) {
    wanted.clear();
    for (const StepTarget& target : targets) {
      check_token(target.token);
      if (target.row < 0 || target.row >= std::ssize(rows) ||
          (!wanted.empty() && target.row < wanted.back())) {
        throw Error("target: expected rows from 0 to " + std::to_string(std::ssize(rows) - 1) +
                    " in ascending order, got " + std::to_string(target.row));
      }
      if (wanted.empty() || target.row != wanted.back()) wanted.push_back(target.row);
    }
  }

  // sink(target, …) of those of `targets` from `at` on whose rows are among `some`; at: the first
  // one behind them.
  void deliver_scores(std::span<const std::int64_t> some, std::span<const StepTarget> targets,
                      std::size_t& at, const ScoreSink& sink) {
    transformer.logits(some, ws);
    pool.parallel_items(std::ssize(some), [&](std::int64_t i) {
      const auto row = static_cast<std::size_t>(i);
      check_logits(row);
      // Where logits are not finite the sum means nothing, and deliver_row refuses it.
      if (ws.finite[row]) softmaxes[row] = softmax(logits_at(row), model->table().vector);
    });
    for (std::size_t i = 0; i < some.size(); ++i) {
      const std::size_t first = at;
      while (at < targets.size() && targets[at].row == some[i]) ++at;
      deliver_row(some[i], i, [&](std::int64_t, std::span<const float> logits) {
        for (std::size_t t = first; t < at; ++t) {
          const auto token = static_cast<std::size_t>(targets[t].token);
          sink(static_cast<std::int64_t>(t), softmaxes[i].log_probability(logits[token]),
               softmaxes[i].best == targets[t].token);
        }
      });
    }
  }

  // ws.finite[at] says henceforth whether row `at` of the logits is finite too.
  void check_logits(std::size_t at) {
    const std::span<const float> logits = logits_at(at);
    ws.finite[at] =
        ws.finite[at] && model->table().vector.all_finite(logits.data(), std::ssize(logits));
  }

  // deliver(index, logits), unless the sequence cannot be trusted.
  template <class Deliver>
  void deliver_row(std::int64_t index, std::size_t at, Deliver&& deliver) {
    const Row& row = rows[static_cast<std::size_t>(index)];
    if (!ws.finite[at]) fail(row);
    if (!failed[static_cast<std::size_t>(row.sequence)]) deliver(index, logits_at(at));
  }

  void fail(const Row& row) { failed[static_cast<std::size_t>(row.sequence)] = true; }

  void throw_failures() const {
    std::string where;
    for (std::size_t s = 0; s < failed.size(); ++s) {
      if (!failed[s]) continue;
      where += where.empty() ? " " : " and ";
      if (failed.size() > 1) where += "of sequence " + std::to_string(s) + " ";
      where += "before position " + std::to_string(next[s]);
    }
    if (where.empty()) return;
    throw RunError("activations of " + model->facts().spec + where +
                   ": expected finite numbers, got a NaN or an infinity");
  }

  // Evaluates a prompt in micro-batches: logits(index) tells whether they are wanted, and
  // deliver(index, logits) gets them.
  template <class Wanted, class Deliver>
  void evaluate(std::span<const int> tokens, int sequence, Wanted&& logits, Deliver&& deliver) {
    check_prompt(tokens, sequence);
    const std::int64_t n = std::ssize(tokens);
    for (std::int64_t first = 0; first < n; first += ubatch) {
      begin_step();
      for (std::int64_t i = first; i < std::min(first + ubatch, n); ++i) {
        add(sequence, tokens[static_cast<std::size_t>(i)], logits(i));
      }
      run_step([&](std::span<const std::int64_t> some) {
        deliver_logits(
            some, [&](std::int64_t row, std::span<const float> out) { deliver(first + row, out); });
      });
    }
  }
};

namespace {

// Checked before anything is allocated.
void require_memory(const ModelConfig& config, const SessionOptions& options,
                    std::int64_t context) {
  if (options.sequences < 1 || options.sequences > kMostSequences) {
    throw Error("sequences: expected a number from 1 to " + std::to_string(kMostSequences) +
                ", got " + std::to_string(options.sequences));
  }
  const std::int64_t needed =
      KvCache::bytes_needed(config, options.sequences, context, options.cache_k, options.cache_v);
  const std::int64_t available = available_memory_bytes();
  if (needed <= available) return;
  const std::string each = options.sequences == 1
                               ? ""
                               : " for each of " + std::to_string(options.sequences) + " sequences";
  throw Error("key/value cache of " + std::to_string(context) + " positions" + each +
              ": expected at most " + std::to_string(available >> 20) +
              " MiB of memory, got a need of " + std::to_string(needed >> 20) + " MiB");
}

}  // namespace

Session::Session(std::shared_ptr<const Model> model, ThreadPool& pool,
                 const SessionOptions& options) {
  const ModelConfig& c = model->config();
  const std::int64_t context = options.context > 0 ? options.context : c.context;
  require_memory(c, options, context);
  // Rows of all sequences share a micro-batch; more than all of them hold it never sees.
  const std::int64_t ubatch =
      std::clamp<std::int64_t>(options.ubatch, 1, context * options.sequences);
  impl_ = std::make_unique<Impl>(std::move(model), pool, options, context, ubatch);
}

Session::~Session() = default;

const Model& Session::model() const noexcept { return *impl_->model; }
std::int64_t Session::context() const noexcept { return impl_->context; }
std::int64_t Session::sequences() const noexcept { return std::ssize(impl_->positions); }
std::int64_t Session::most_rows() const noexcept { return impl_->ws.tokens; }
std::int64_t Session::position(int sequence) const { return impl_->position(sequence); }

void Session::truncate(std::int64_t positions, int sequence) {
  std::int64_t& position = impl_->position(sequence);
  position = std::clamp<std::int64_t>(positions, 0, position);
}

void Session::copy_prefix(int from, int to, std::int64_t positions) {
  const std::int64_t there = impl_->position(from);
  std::int64_t& target = impl_->position(to);
  if (positions < 0 || positions > there) {
    throw Error("prefix of sequence " + std::to_string(from) + ": expected 0 to " +
                std::to_string(there) + " positions, got " + std::to_string(positions));
  }
  if (from != to) impl_->cache.copy_prefix(from, to, positions);
  target = positions;
}

std::span<const float> Session::prefill(std::span<const int> tokens, int sequence) {
  std::span<const float> last;
  impl_->evaluate(
      tokens, sequence, [&](std::int64_t i) { return i + 1 == std::ssize(tokens); },
      [&](std::int64_t, std::span<const float> logits) { last = logits; });
  return last;
}

void Session::prefill_all(std::span<const int> tokens, const LogitsSink& sink, int sequence) {
  impl_->evaluate(
      tokens, sequence, [](std::int64_t) { return true; }, sink);
}

std::span<const float> Session::decode(int token, int sequence) {
  return prefill(std::span(&token, 1), sequence);
}

void Session::step(std::span<const StepRow> rows, const LogitsSink& sink) {
  impl_->add_step(rows);
  impl_->run_step([&](std::span<const std::int64_t> some) { impl_->deliver_logits(some, sink); });
}

int Session::decode_greedy(int token, int sequence) {
  impl_->check_prompt(std::span(&token, 1), sequence);
  impl_->begin_step();
  impl_->add(sequence, token, true);
  int next = 0;
  impl_->run_step([&](std::span<const std::int64_t> some) {
    impl_->deliver_tokens(some, [&](std::int64_t, int best) { next = best; });
  });
  return next;
}

void Session::step_greedy(std::span<const StepRow> rows, const TokenSink& sink) {
  impl_->add_step(rows);
  impl_->run_step([&](std::span<const std::int64_t> some) { impl_->deliver_tokens(some, sink); });
}

void Session::step_scores(std::span<const StepRow> rows, std::span<const StepTarget> targets,
                          const ScoreSink& sink) {
  impl_->add_step(rows);
  impl_->want(targets);
  std::size_t at = 0;
  impl_->run_step(
      [&](std::span<const std::int64_t> some) { impl_->deliver_scores(some, targets, at, sink); });
}

void Session::time_phases(PhaseTimes* times) noexcept {
  impl_->ws.phases = times;
  impl_->pool.time_waits(times == nullptr ? nullptr : &(*times)[Phase::kWait]);
}

std::int64_t Session::bytes_per_token(std::int64_t position, Answer answer) const noexcept {
  return bytes_per_step(std::span(&position, 1), answer);
}

std::int64_t Session::bytes_per_step(std::span<const std::int64_t> positions,
                                     Answer answer) const noexcept {
  const Embedding& embedding = impl_->model->weights().shared->embedding;
  const std::int64_t embedding_row =
      bytes(embedding) / round_up(rows(embedding), row_block(embedding));
  std::int64_t sum = weight_bytes(answer);
  if (positions.size() == 1) sum -= impl_->skipped_bytes();
  for (const std::int64_t position : positions) {
    sum += embedding_row + impl_->cache_reads(position);
  }
  return sum;
}

namespace {

template <class Matrix>
void add(Operations& sum, const Matrix& w) noexcept {
  const std::int64_t operations = 2 * rows(w) * cols(w);
  if (const auto* half = std::get_if<HalfLinear>(&w)) {
    (half->exact() ? sum.fp32 : sum.bf16) += operations;
  } else {
    sum.int8 += operations;
  }
}

}  // namespace

Operations Session::layer_operations() const noexcept {
  Operations sum;
  for (const LayerWeights& l : impl_->model->weights().layers) {
    for (const Linear* w : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) add(sum, *w);
  }
  return sum;
}

Operations Session::skipped_operations() const noexcept {
  const SkipCounts& counts = skip_counts();
  if (counts.rows == 0) return {};
  Operations up, down;
  for (const LayerWeights& l : impl_->model->weights().layers) {
    add(up, l.up);
    add(down, l.down);
  }
  const auto skipped = [&](std::int64_t of_up, std::int64_t of_down) {
    return std::llround((1 - counts.up_share()) * static_cast<double>(of_up) +
                        (1 - counts.down_share()) * static_cast<double>(of_down));
  };
  return {.int8 = skipped(up.int8, down.int8),
          .fp32 = skipped(up.fp32, down.fp32),
          .bf16 = skipped(up.bf16, down.bf16)};
}

Operations Session::head_operations(Answer answer) const noexcept {
  Operations sum;
  const Embedding& head = impl_->model->weights().shared->head();
  if (impl_->searches(answer)) {
    sum.int8 = 2 * rows(head) * cols(head);
  } else {
    add(sum, head);
  }
  return sum;
}

std::int64_t Session::weight_bytes(Answer answer) const noexcept {
  const ModelWeights& w = impl_->model->weights();
  const std::int64_t head = impl_->searches(answer) ? w.greedy_head_bytes() : w.head_bytes();
  return w.layer_bytes() + head + w.norm_bytes();
}

const SkipCounts& Session::skip_counts() const noexcept { return impl_->ws.sparse.counts; }

std::int64_t Session::cache_bytes() const noexcept { return impl_->cache.bytes(); }

}  // namespace tern::engine
