// One answer everywhere: the bits of the logits do not depend on kernels row, threads or batch, nor
// on whether a prompt was prefilled or fed token by token. The golden hashes hold the same on every
// processor.
#include <cstdlib>
#include <optional>
#include <random>
#include <vector>

#include "engine/session.h"
#include "engine/thread_pool.h"
#include "tests/engine/temporary_folder.h"
#include "tests/engine/tiny_model.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::tests {
namespace {

using engine::Model;
using engine::Session;
using engine::ThreadPool;
using kernels::CacheType;

constexpr int kLong = 270;  // longer than one attention block of 256 keys
constexpr int kShort = 70;  // several micro-batches of every size below

std::vector<int> prompt(int vocab, int length) {
  std::vector<int> tokens;
  for (int i = 0; i < length; ++i) tokens.push_back((i * 37 + 11) % vocab);
  return tokens;
}

struct Case {
  std::string spec;
  std::optional<engine::TwinType> twin;
  CacheType cache;
  engine::HeadType head = engine::HeadType::kStored;
};

using engine::TernaryBits;

std::uint64_t hash_of(const Case& c, const kernels::KernelTable& table, int threads,
                      std::int64_t ubatch, std::span<const int> tokens,
                      TernaryBits bits = TernaryBits::k2) {
  ThreadPool pool({.threads = threads, .spin_us = 20});
  auto model = Model::load(c.spec, table, pool, {.head = c.head, .ternary_bits = bits});
  if (c.twin) model = Model::twin(*model, *c.twin, pool);
  Session session(model, pool,
                  {.context = 300, .cache_k = c.cache, .cache_v = c.cache, .ubatch = ubatch});
  std::uint64_t hash = engine::kLogitsHashSeed;
  session.prefill_all(tokens, [&](std::int64_t, std::span<const float> logits) {
    hash = engine::hash_logits(logits, hash);
  });
  return hash;
}

struct Shape {
  int threads;
  std::int64_t ubatch;
};

// Set by the presets that run under sanitizers or emulation, many times slower than the machine
// itself.
bool brief() { return std::getenv("TERN_SHORT_TESTS") != nullptr; }

// Scalar is slow, and each of its functions serves every shape: two of them do. One, for the lesser
// rows of a brief run.
std::vector<Shape> shapes(const kernels::KernelTable& table) {
  const bool best = &table == &kernels::select_table(kernels::detect_cpu());
  if (brief() && !best) return {{3, 64}};
  if (table.name == std::string("scalar")) return {{1, 1}, {3, 64}};
  return {{1, 1}, {1, 64}, {2, 7}, {3, 64}, {4, 512}};
}

void check_case(const Case& c, int vocab, int length) {
  const std::vector<int> tokens = prompt(vocab, length);
  const std::uint64_t expected = hash_of(c, *kernels::find_table("scalar"), 1, 7, tokens);
  for (const kernels::KernelTable* table : kernels::runnable_tables()) {
    for (const auto& [threads, ubatch] : shapes(*table)) {
      CAPTURE(c.spec, c.twin ? name(*c.twin) : "itself", name(c.head), table->name, threads,
              ubatch);
      CHECK(hash_of(c, *table, threads, ubatch, tokens) == expected);
    }
  }
}

TEST_CASE("logits are the same bits on every row, thread count and batch", "[conformance]") {
  const bool twin = GENERATE(false, true);
  const CacheType cache = GENERATE(CacheType::kF16, CacheType::kF32);
  const auto type = twin ? std::optional(engine::TwinType::kF16) : std::nullopt;
  check_case({"synth:tiny", type, cache}, 512,
             !brief() && twin == (cache == CacheType::kF32) ? kLong : kShort);
}

TEST_CASE("block twins and requantised heads give one answer too", "[conformance]") {
  check_case({"synth:tiny", engine::TwinType::kQ8_0, CacheType::kF16, engine::HeadType::kQ6_K}, 512,
             kShort);
  check_case({"synth:tiny", engine::TwinType::kQ4_0, CacheType::kF16, engine::HeadType::kQ8_0}, 512,
             kShort);
}

TEST_CASE("block-quantised files give one answer too", "[conformance]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = "llama";
  model.ffn = 512;
  model.vocab = 77;
  using engine::DType;
  model.linear_type = GENERATE(DType::kQ8_0, DType::kQ4_0, DType::kQ6_K);
  model.table_type = model.linear_type == DType::kQ8_0 ? DType::kQ6_K : DType::kQ8_0;
  write_tiny(folder / "m.gguf", model);
  check_case({(folder / "m.gguf").string(), std::nullopt, CacheType::kF16}, 77, kShort);
}

TEST_CASE("an awkward shape and other graphs give one answer too", "[conformance]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = GENERATE(as<std::string>{}, "bitnet-b1.58", "llama", "qwen2", "gemma3");
  model.rope_divisors = model.architecture == "llama";
  model.head_dim =
      48;  // 288 columns in attention's output: no multiple of the quantised rows' padding
  model.heads = 6;
  model.kv_heads = 3;
  model.vocab = 77;
  const auto path = folder.path() / "awkward.gguf";
  model.linear_type = GENERATE(engine::DType::kI2S, engine::DType::kF16);
  write_tiny(path, model);
  check_case({path.string(), std::nullopt, CacheType::kF16}, 77, kShort);
}

// The window crosses the border of two blocks of keys, begins inside of a group of queries, and is
// smaller than one.
TEST_CASE("sliding windows give one answer too", "[conformance]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = "gemma3";
  model.hidden = model.ffn = 64;
  model.head_dim = 32;
  model.heads = 3;
  model.kv_heads = 1;
  model.vocab = 77;
  model.window = GENERATE(3, 50);
  model.linear_type = engine::DType::kF16;
  write_tiny(folder / "m.gguf", model);
  CAPTURE(model.window);
  check_case({(folder / "m.gguf").string(), std::nullopt, CacheType::kF16}, 77,
             brief() && model.window == 3 ? kShort : kLong);
}

TEST_CASE("logits are the same bits with ternary weights of 1.6 bits", "[conformance]") {
  const bool twin = GENERATE(false, true);
  const Case c{"synth:tiny", twin ? std::optional(engine::TwinType::kF16) : std::nullopt,
               CacheType::kF16};
  const std::vector<int> tokens = prompt(512, kShort);
  const std::uint64_t expected =
      hash_of(c, kernels::select_table(kernels::detect_cpu()), 2, 64, tokens);
  for (const kernels::KernelTable* table : kernels::runnable_tables()) {
    // A row without fast kernels of its own runs scalar's.
    const bool scalar = &table->ternary_dense == &kernels::scalar::kTernaryDense;
    for (const auto& [threads, ubatch] : scalar ? std::vector<Shape>{{3, 64}} : shapes(*table)) {
      CAPTURE(table->name, twin, threads, ubatch);
      CHECK(hash_of(c, *table, threads, ubatch, tokens, TernaryBits::k1_6) == expected);
    }
  }
}

TEST_CASE("the same weights give the golden hash on every processor", "[conformance]") {
  // The value of the first implementation. A change of arithmetic changes it, and every stored hash
  // with it.
  constexpr std::uint64_t kGolden = 0x8e0071274609f4e1;
  CHECK(hash_of({"synth:tiny", std::nullopt, CacheType::kF16},
                kernels::select_table(kernels::detect_cpu()), 2, 64,
                prompt(512, kLong)) == kGolden);
}

TEST_CASE("decode continues what prefill began", "[conformance]") {
  ThreadPool pool({.threads = 2, .spin_us = 20});
  const auto model = Model::load("synth:tiny", kernels::select_table(kernels::detect_cpu()), pool);
  const std::vector<int> tokens = prompt(512, kLong);
  Session whole(model, pool, {.context = 300});
  Session parts(model, pool, {.context = 300});
  const std::uint64_t expected = engine::hash_logits(whole.prefill(tokens));
  parts.prefill(std::span(tokens).first(200));
  std::uint64_t got = 0;
  for (std::size_t i = 200; i < tokens.size(); ++i)
    got = engine::hash_logits(parts.decode(tokens[i]));
  CHECK(got == expected);
  // Forgetting and evaluating again repeats it.
  parts.truncate(100);
  CHECK(engine::hash_logits(parts.prefill(std::span(tokens).subspan(100))) == expected);
}

// Sequences of a batch: each its own tokens behind a prefix that all share.
constexpr int kSequences = 4;
constexpr std::int64_t kPrefix = 9;
constexpr std::int64_t kTokens = 40;

std::vector<int> sequence_tokens(int sequence) {
  std::vector<int> tokens = prompt(512, kPrefix);
  for (std::int64_t i = kPrefix; i < kTokens; ++i) {
    tokens.push_back(static_cast<int>((i * 53 + sequence * 101 + 7) % 512));
  }
  return tokens;
}

// The hash of the logits after every token of every sequence, each run alone.
using Expected = std::vector<std::vector<std::uint64_t>>;
Expected alone(const Case& c) {
  ThreadPool pool({.threads = 1, .spin_us = 20});
  auto model = Model::load(c.spec, *kernels::find_table("scalar"), pool);
  if (c.twin) model = Model::half_twin(*model, pool);
  Expected expected;
  for (int s = 0; s < kSequences; ++s) {
    Session session(model, pool, {.context = kTokens, .cache_k = c.cache, .cache_v = c.cache});
    auto& hashes = expected.emplace_back();
    session.prefill_all(sequence_tokens(s), [&](std::int64_t, std::span<const float> logits) {
      hashes.push_back(engine::hash_logits(logits));
    });
  }
  return expected;
}

// Random steps: any mix of prefill chunks and single tokens in any order of rows; sequences that go
// back, begin anew, or take their prefix from another; until all have come to their end.
class Schedule {
 public:
  Schedule(Session& session, const Expected& expected, unsigned seed)
      : session_(session), expected_(expected), random_(seed) {
    for (int s = 0; s < kSequences; ++s) tokens_.push_back(sequence_tokens(s));
  }

  // Whether every wanted row had the logits of its sequence run alone.
  bool holds() {
    bool fine = true;
    for (int step = 0; unfinished(); ++step) {
      if (step < 20) disturb();
      const std::vector<engine::StepRow> rows = next_rows();
      std::vector<std::uint64_t> hashes = expected_rows(rows);
      std::size_t delivered = 0;
      session_.step(rows, [&](std::int64_t row, std::span<const float> logits) {
        const auto i = static_cast<std::size_t>(row);
        fine = fine && rows[i].logits && engine::hash_logits(logits) == hashes[i];
        ++delivered;
      });
      const auto wanted = std::count_if(rows.begin(), rows.end(),
                                        [](const engine::StepRow& row) { return row.logits; });
      fine = fine && delivered == static_cast<std::size_t>(wanted);
    }
    return fine;
  }

 private:
  int below(std::int64_t n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  bool unfinished() const {
    for (int s = 0; s < kSequences; ++s) {
      if (session_.position(s) < kTokens) return true;
    }
    return false;
  }

  void disturb() {
    const int sequence = below(kSequences);
    const int from = below(kSequences);
    switch (below(6)) {
      case 0:
        return session_.truncate(0, sequence);
      case 1:
        return session_.truncate(below(kTokens), sequence);
      case 2:
        return session_.copy_prefix(from, sequence, std::min(kPrefix, session_.position(from)));
      default:
        return;
    }
  }

  // At least one row where any is left.
  std::vector<engine::StepRow> next_rows() {
    std::vector<std::int64_t> next;
    for (int s = 0; s < kSequences; ++s) next.push_back(session_.position(s));
    std::vector<engine::StepRow> rows;
    const int target = 1 + below(session_.most_rows());
    for (int tries = 0; std::ssize(rows) < target && (tries < 100 || rows.empty()); ++tries) {
      const int s = below(kSequences);
      const std::int64_t chunk = below(3) == 0 ? 1 + below(12) : 1;
      for (std::int64_t i = 0; i < chunk && std::ssize(rows) < target; ++i) {
        std::int64_t& at = next[static_cast<std::size_t>(s)];
        if (at == kTokens) break;
        rows.push_back({s, tokens_[static_cast<std::size_t>(s)][static_cast<std::size_t>(at++)],
                        below(3) > 0});
      }
    }
    return rows;
  }

  std::vector<std::uint64_t> expected_rows(std::span<const engine::StepRow> rows) const {
    std::vector<std::int64_t> next;
    for (int s = 0; s < kSequences; ++s) next.push_back(session_.position(s));
    std::vector<std::uint64_t> hashes;
    for (const engine::StepRow& row : rows) {
      const auto s = static_cast<std::size_t>(row.sequence);
      hashes.push_back(expected_[s][static_cast<std::size_t>(next[s]++)]);
    }
    return hashes;
  }

  Session& session_;
  const Expected& expected_;
  std::mt19937 random_;
  std::vector<std::vector<int>> tokens_;
};

TEST_CASE("a sequence in any mixture has the logits it has alone", "[conformance]") {
  const bool twin = GENERATE(false, true);
  const Case c{"synth:tiny", twin ? std::optional(engine::TwinType::kF16) : std::nullopt,
               twin ? CacheType::kF32 : CacheType::kF16};
  const Expected expected = alone(c);
  for (const kernels::KernelTable* table : kernels::runnable_tables()) {
    unsigned seed = 1;
    const std::vector<Shape> all = shapes(*table);
    // Scalar is slow, and a batch asks nothing of it that the last shape does not.
    const bool scalar = table->name == std::string("scalar");
    for (const auto& [threads, ubatch] : std::span(all).last(scalar ? 1 : all.size())) {
      ThreadPool pool({.threads = threads, .spin_us = 20});
      auto model = Model::load(c.spec, *table, pool);
      if (twin) model = Model::half_twin(*model, pool);
      Session session(model, pool,
                      {.context = kTokens,
                       .cache_k = c.cache,
                       .cache_v = c.cache,
                       .ubatch = ubatch,
                       .sequences = kSequences});
      CAPTURE(twin, table->name, threads, ubatch, seed);
      CHECK(Schedule(session, expected, seed++).holds());
    }
  }
}

TEST_CASE("long sequences that share a prefix decode together as they do alone", "[conformance]") {
  constexpr int kAhead = kLong - 12;  // more than one attention block
  ThreadPool pool({.threads = 2, .spin_us = 20});
  const auto model = Model::load("synth:tiny", kernels::select_table(kernels::detect_cpu()), pool);
  Session one(model, pool, {.context = 300});
  Session many(model, pool, {.context = 300, .sequences = 3});
  const std::vector<int> tokens = prompt(512, kAhead);
  one.prefill(tokens);
  many.prefill(tokens, 1);
  for (const int to : {0, 2}) many.copy_prefix(1, to, kAhead - to);
  many.prefill(std::span(tokens).last(2), 2);
  for (int i = 0; i < 12; ++i) {
    const int token = i * 5 % 512;
    const std::uint64_t expected = engine::hash_logits(one.decode(token));
    int equal = 0;
    many.step(std::vector<engine::StepRow>{{2, token}, {0, token}, {1, token}},
              [&](std::int64_t, std::span<const float> logits) {
                equal += engine::hash_logits(logits) == expected ? 1 : 0;
              });
    CHECK(equal == 3);
  }
}

}  // namespace
}  // namespace tern::tests
