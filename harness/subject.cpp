#include "harness/subject.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "harness/error.h"

namespace tern::harness {

namespace {

// Depth, prompt and generation draw from separate stretches of the token stream.
constexpr std::int64_t kDepthStream = 0;
constexpr std::int64_t kTestStream = std::int64_t{1} << 32;
constexpr std::int64_t kVerifyStream = std::int64_t{1} << 33;
// From the stretch of one sequence to that of the next: longer than any context.
constexpr std::int64_t kSequenceStream = std::int64_t{1} << 34;

std::vector<int> token_range(std::int64_t first, std::int64_t count, std::int64_t vocab) {
  std::vector<int> tokens(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    tokens[static_cast<std::size_t>(i)] = seeded_token(kTokenSeed, first + i, vocab);
  }
  return tokens;
}

}  // namespace

std::string TestCase::name() const {
  std::string text;
  if (prompt > 0) text = fmt::format("pp{}", prompt);
  if (gen > 0) text += fmt::format("{}tg{}", text.empty() ? "" : "+", gen);
  if (sequences > 1) text += fmt::format(" x{}", sequences);
  if (depth > 0) text += fmt::format(" @ d{}", depth);
  return text;
}

// splitmix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014) at
// position `index` of the stream: any token can be had without those before it.
int seeded_token(std::uint64_t seed, std::int64_t index, std::int64_t vocab) noexcept {
  std::uint64_t z = seed + (static_cast<std::uint64_t>(index) + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return static_cast<int>(z % static_cast<std::uint64_t>(vocab));
}

EngineSubject::EngineSubject(std::string name, std::shared_ptr<const engine::Model> model,
                             engine::ThreadPool& pool, const EngineSubjectOptions& options)
    : name_(std::move(name)),
      options_(options),
      session_(std::move(model), pool, options.session),
      rows_(static_cast<std::size_t>(options.session.sequences)) {}

void EngineSubject::check_stop() const {
  if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) {
    throw Error("interrupted", 1);
  }
}

// Tokens [first, first + count) of the stream of one sequence, in batches.
void EngineSubject::evaluate_prompt(std::int64_t first, std::int64_t count, int sequence) {
  const std::int64_t vocab = session_.model().config().vocab;
  const std::int64_t begin = first + sequence * kSequenceStream;
  for (std::int64_t done = 0; done < count; done += options_.batch) {
    check_stop();
    const std::int64_t n = std::min(options_.batch, count - done);
    session_.prefill(token_range(begin + done, n, vocab), sequence);
  }
}

// Token `index` of the streams of the leading sequences.
void EngineSubject::step(std::int64_t index, int sequences) {
  check_stop();
  const std::int64_t vocab = session_.model().config().vocab;
  const auto rows = std::span(rows_).first(static_cast<std::size_t>(sequences));
  for (int s = 0; s < sequences; ++s) {
    rows[static_cast<std::size_t>(s)] = {
        s, seeded_token(kTokenSeed, index + s * kSequenceStream, vocab)};
  }
  if (decoding() == engine::Answer::kToken) {
    session_.step_greedy(rows, [](std::int64_t, int) {});
  } else {
    session_.step(rows, [](std::int64_t, std::span<const float>) {});
  }
}

// Behind the verification prompt in sequence 0: `token` evaluated in all sequences together must
// have the logits it has alone. Leaves sequence 0 as it was.
void EngineSubject::check_together(int token) {
  if (rows_.size() < 2) return;
  const std::span<const float> logits = session_.decode(token);
  const std::vector<float> alone(logits.begin(), logits.end());
  for (std::size_t s = 0; s < rows_.size(); ++s) {
    rows_[s] = {static_cast<int>(s), token};
    session_.copy_prefix(0, rows_[s].sequence, kVerifyPrompt);
  }
  session_.step(rows_, [&](std::int64_t row, std::span<const float> together) {
    if (std::memcmp(together.data(), alone.data(), together.size_bytes()) == 0) return;
    throw Error(fmt::format("the logits of {} depend on how many sequences run together: expected "
                            "those of one alone, got others in sequence {} of {}",
                            session_.model().facts().spec, row, rows_.size()),
                1);
  });
  session_.truncate(kVerifyPrompt);
}

engine::Answer EngineSubject::decoding() const noexcept {
  return session_.model().facts().greedy_head ? engine::Answer::kToken : engine::Answer::kLogits;
}

// Sequence 0 has just evaluated `token`, and the largest of its logits is that of `best`: a search
// must find the same.
void EngineSubject::check_search(int token, int best) {
  if (decoding() != engine::Answer::kToken) return;
  session_.truncate(session_.position() - 1);
  const int found = session_.decode_greedy(token);
  if (found == best) return;
  throw Error(fmt::format("the greedy head of {} is wrong: expected token {}, got {}",
                          session_.model().facts().spec, best, found),
              1);
}

// Behind the verification prompt `tokens` were decoded one by one: evaluated together, where
// nothing is skipped, they must have the same logits.
void EngineSubject::check_skipping(std::span<const int> tokens) {
  if (!session_.model().facts().skip_zeros) return;
  session_.truncate(session_.position() - 1);
  const std::span<const float> logits = session_.decode(tokens.back());
  const std::vector<float> decoded(logits.begin(), logits.end());
  session_.truncate(kVerifyPrompt);
  const std::span<const float> complete = session_.prefill(tokens);
  if (std::memcmp(complete.data(), decoded.data(), complete.size_bytes()) == 0) return;
  throw Error(fmt::format("skipping zeros changes the logits of {}: expected those of a complete "
                          "evaluation of {} tokens, got others",
                          session_.model().facts().spec, tokens.size()),
              1);
}

std::optional<engine::SkipCounts> EngineSubject::skip_counts() const {
  if (!session_.model().facts().skip_zeros) return std::nullopt;
  return session_.skip_counts();
}

std::string EngineSubject::verify() {
  session_.truncate(0);
  filled_ = 0;
  const std::int64_t vocab = session_.model().config().vocab;
  std::span<const float> logits =
      session_.prefill(token_range(kVerifyStream, kVerifyPrompt, vocab));
  std::uint64_t hash = engine::hash_logits(logits);
  int next = engine::argmax(logits);
  check_together(next);
  std::vector<int> decoded;
  for (int i = 0; i < kVerifySteps; ++i) {
    check_stop();
    const int token = next;
    decoded.push_back(token);
    logits = session_.decode(token);
    hash = engine::hash_logits(logits, hash);
    next = engine::argmax(logits);
    check_search(token, next);
  }
  check_skipping(decoded);
  session_.truncate(0);
  return fmt::format("{:016x}", hash);
}

// A deeper fill begins where a shallower one ended, so that each depth is evaluated once.
void EngineSubject::prepare(const TestCase& test) {
  const std::int64_t keep = std::min<std::int64_t>(filled_, test.depth);
  session_.truncate(keep);
  evaluate_prompt(kDepthStream + keep, test.depth - keep, 0);
  filled_ = test.depth;
  for (int s = 1; s < test.sequences; ++s) session_.copy_prefix(0, s, test.depth);
}

void EngineSubject::warm_up(const TestCase& test) {
  prepare(test);
  for (int s = 0; s < test.sequences; ++s) evaluate_prompt(kTestStream, test.prompt, s);
  if (test.gen > 0) step(kTestStream + test.prompt, test.sequences);
}

void EngineSubject::run(const TestCase& test) {
  for (int s = 0; s < test.sequences; ++s) evaluate_prompt(kTestStream, test.prompt, s);
  for (int i = 0; i < test.gen; ++i) step(kTestStream + test.prompt + i, test.sequences);
}

engine::PhaseTimes EngineSubject::run_phases(const TestCase& test) {
  engine::PhaseTimes times;
  const auto stop_timing = [](engine::Session* session) { session->time_phases(nullptr); };
  session_.time_phases(&times);
  const std::unique_ptr<engine::Session, decltype(stop_timing)> timed(&session_, stop_timing);
  run(test);
  return times;
}

// Prefill reads the weights once per micro-batch, the keys and values that were there before it,
// and per token what a decode at position 0 moves beside the weights (its embedding row and its new
// cache row). A step of several sequences reads the weights once.
std::int64_t EngineSubject::bytes_moved(const TestCase& test) const {
  const std::int64_t cache_row = session_.bytes_per_token(1) - session_.bytes_per_token(0);
  const std::int64_t zeros[] = {0, 0};  // of two, since decoding one may skip a part of the weights
  const std::int64_t per_token = (session_.bytes_per_step(zeros) - session_.weight_bytes()) / 2;
  std::int64_t bytes = 0;
  for (std::int64_t done = 0; done < test.prompt;) {
    const std::int64_t batch_end =
        std::min<std::int64_t>((done / options_.batch + 1) * options_.batch, test.prompt);
    const std::int64_t n = std::min(options_.session.ubatch, batch_end - done);
    bytes += session_.weight_bytes() + cache_row * (test.depth + done) + per_token * n;
    done += n;
  }
  bytes *= test.sequences;
  std::vector<std::int64_t> positions(static_cast<std::size_t>(test.sequences));
  for (int i = 0; i < test.gen; ++i) {
    std::fill(positions.begin(), positions.end(), std::int64_t{test.depth} + test.prompt + i);
    bytes += session_.bytes_per_step(positions, decoding());
  }
  return bytes;
}

// The logits of a prompt are made once per batch handed over, after its last token.
engine::Operations EngineSubject::operations(const TestCase& test) const {
  const std::int64_t heads = test.sequences * ((test.prompt + options_.batch - 1) / options_.batch);
  const std::int64_t steps = std::int64_t{test.sequences} * test.gen;
  const std::int64_t skipping = test.sequences == 1 ? test.gen : 0;
  return test.tokens() * session_.layer_operations() + heads * session_.head_operations() +
         steps * session_.head_operations(decoding()) - skipping * session_.skipped_operations();
}

}  // namespace tern::harness
