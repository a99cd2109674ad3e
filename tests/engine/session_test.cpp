#include "engine/session.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/error.h"
#include "engine/phase_times.h"
#include "engine/thread_pool.h"
#include "tests/engine/temporary_folder.h"
#include "tests/engine/tiny_model.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::tests {
namespace {

using Catch::Matchers::Contains;

struct TinySession {
  engine::ThreadPool pool{{.threads = 2, .spin_us = 20}};
  std::shared_ptr<const engine::Model> model =
      engine::Model::load("synth:tiny", kernels::select_table(kernels::detect_cpu()), pool);
  engine::Session session{model, pool, {.context = 8, .ubatch = 3}};
};

TEST_CASE("a session refuses what it cannot evaluate and stays usable", "[session]") {
  TinySession t;
  const std::vector<int> five = {1, 2, 3, 4, 5};
  t.session.prefill(five);
  CHECK(t.session.position() == 5);
  CHECK_THROWS_WITH(t.session.prefill(five),
                    Contains("at most 3 more tokens in a context of 8, got 5"));
  CHECK_THROWS_WITH(t.session.decode(512), Contains("from 0 to 511, got 512"));
  CHECK_THROWS_WITH(t.session.decode(-1), Contains("got -1"));
  CHECK_THROWS_WITH(t.session.prefill({}), Contains("at least one token"));
  CHECK(t.session.position() == 5);
  t.session.decode(7);
  CHECK(t.session.position() == 6);
}

TEST_CASE("timing the phases accounts for every one and changes no logit", "[session]") {
  const std::vector<int> tokens = {1, 2, 3, 4, 5};
  const auto logits_of = [&](engine::Session& session) {
    std::uint64_t hash = engine::hash_logits(session.prefill(tokens));
    hash = engine::hash_logits(session.decode(6), hash);
    return engine::hash_logits(session.decode(7), hash);
  };
  TinySession plain, timed;
  engine::PhaseTimes times;
  timed.session.time_phases(&times);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(logits_of(timed.session) == logits_of(plain.session));
  const std::chrono::nanoseconds elapsed = std::chrono::steady_clock::now() - begin;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < times.ns.size(); ++i) {
    CAPTURE(engine::kPhaseNames[i]);
    CHECK(times.ns[i] > 0);
    sum += times.ns[i];
  }
  CHECK(sum <= elapsed.count());

  timed.session.time_phases(nullptr);
  const engine::PhaseTimes before = times;
  timed.session.decode(8);
  CHECK(times.ns == before.ns);
}

TEST_CASE("logits that are not finite fail the run, not the input", "[session]") {
  const TemporaryFolder folder;
  TinyHooks hooks;
  hooks.spoil = [](const std::string& name, std::vector<std::byte>& bytes) {
    const float huge = std::numeric_limits<float>::max();
    for (std::size_t i = 0; name == "output_norm.weight" && i < bytes.size(); i += sizeof huge) {
      std::memcpy(bytes.data() + i, &huge, sizeof huge);
    }
  };
  write_tiny(folder / "m.gguf", TinyModel{}, hooks);
  engine::ThreadPool pool{{.threads = 1, .spin_us = 20}};
  const auto model = engine::Model::load((folder / "m.gguf").string(),
                                         kernels::select_table(kernels::detect_cpu()), pool);
  engine::Session session(model, pool, {.context = 4});
  CHECK_THROWS_AS(session.decode(1), engine::RunError);
}

TEST_CASE("a head that is not finite fails every way to its logits", "[session]") {
  const TemporaryFolder folder;
  TinyModel tiny;
  tiny.architecture = "llama";  // with a head of its own: what the head reads is finite
  TinyHooks hooks;
  hooks.spoil = [](const std::string& name, std::vector<std::byte>& bytes) {
    const std::uint16_t nan = 0x7e00;
    if (name == "output.weight") std::memcpy(bytes.data() + 7 * sizeof nan, &nan, sizeof nan);
  };
  write_tiny(folder / "m.gguf", tiny, hooks);
  engine::ThreadPool pool{{.threads = 2, .spin_us = 20}};
  const auto model = engine::Model::load((folder / "m.gguf").string(),
                                         kernels::select_table(kernels::detect_cpu()), pool);
  engine::Session session(model, pool, {.context = 4});
  const std::vector<int> tokens = {1, 2};
  const std::vector<engine::StepRow> rows = {{0, 1}};
  const auto no_logits = [](std::int64_t, std::span<const float>) { FAIL("logits"); };
  CHECK_THROWS_AS(session.prefill(tokens), engine::RunError);
  CHECK_THROWS_AS(session.prefill_all(tokens, no_logits), engine::RunError);
  CHECK_THROWS_AS(session.step(rows, no_logits), engine::RunError);
  CHECK_THROWS_AS(session.decode_greedy(1), engine::RunError);
  CHECK_THROWS_AS(session.step_greedy(rows, [](std::int64_t, int) { FAIL("a token"); }),
                  engine::RunError);
  CHECK_THROWS_AS(session.step_scores(rows, std::vector<engine::StepTarget>{{0, 1}},
                                      [](std::int64_t, double, bool) { FAIL("a score"); }),
                  engine::RunError);
}

TEST_CASE("a step refuses what it cannot evaluate and changes nothing", "[session]") {
  TinySession t;
  engine::Session session(t.model, t.pool, {.context = 8, .ubatch = 4, .sequences = 3});
  const auto refuse = [&](std::vector<engine::StepRow> rows, const std::string& why) {
    CHECK_THROWS_WITH(
        session.step(rows, [](std::int64_t, std::span<const float>) { FAIL("logits of nothing"); }),
        Contains(why));
  };
  CHECK(session.sequences() == 3);
  CHECK(session.most_rows() == 4);
  session.prefill(std::vector<int>{1, 2, 3, 4, 5, 6}, 1);
  refuse({}, "at least one row");
  refuse({{0, 1}, {3, 1}}, "sequence: expected a number from 0 to 2, got 3");
  refuse({{0, 1}, {-1, 1}}, "got -1");
  refuse({{0, 1}, {2, 512}}, "from 0 to 511, got 512");
  refuse({{0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}}, "at most 4 rows, got 5");
  refuse({{1, 7}, {0, 7}, {1, 7}, {1, 7}},
         "at most 2 more tokens of sequence 1 in a context of 8, got 3");
  CHECK_THROWS_WITH(session.prefill(std::vector<int>{1}, 3), Contains("from 0 to 2, got 3"));
  CHECK_THROWS_WITH(session.truncate(0, 3), Contains("from 0 to 2, got 3"));
  CHECK_THROWS_WITH(session.position(-1), Contains("from 0 to 2, got -1"));
  CHECK_THROWS_WITH(session.copy_prefix(0, 3, 0), Contains("from 0 to 2, got 3"));
  CHECK_THROWS_WITH(session.copy_prefix(1, 0, 7),
                    Contains("prefix of sequence 1: expected 0 to 6 positions, got 7"));
  CHECK(session.position(0) == 0);
  CHECK(session.position(1) == 6);
  CHECK(session.position(2) == 0);
}

TEST_CASE("a session refuses sequences that cannot be, and a cache that does not fit",
          "[session]") {
  TinySession t;
  const auto make = [&](std::int64_t context, std::int64_t sequences) {
    const engine::Session made(t.model, t.pool, {.context = context, .sequences = sequences});
  };
  CHECK_THROWS_WITH(make(8, 0), Contains("sequences: expected a number from 1 to 1024, got 0"));
  CHECK_THROWS_WITH(make(8, 1025), Contains("got 1025"));
  CHECK_THROWS_WITH(make(std::int64_t{1} << 32, 1024),
                    Contains("positions for each of 1024 sequences: expected at most"));
}

// A model with a token whose embedding is not finite, and a head of its own that does not read it.
struct SpoiltToken {
  static constexpr int kBad = 5;
  TemporaryFolder folder;
  engine::ThreadPool pool{{.threads = 2, .spin_us = 20}};
  std::shared_ptr<const engine::Model> model;

  explicit SpoiltToken(const kernels::KernelTable& table) {
    TinyModel tiny;
    tiny.architecture = "llama";
    TinyHooks hooks;
    hooks.spoil = [](const std::string& name, std::vector<std::byte>& bytes) {
      const std::uint16_t nan = 0x7e00;
      if (name == "token_embd.weight")
        std::memcpy(bytes.data() + (kBad * 256 + 17) * sizeof nan, &nan, sizeof nan);
    };
    write_tiny(folder / "m.gguf", tiny, hooks);
    model = engine::Model::load((folder / "m.gguf").string(), table, pool);
  }
};

TEST_CASE("numbers that are not finite are laid to their sequence and to no other", "[session]") {
  const auto tables = kernels::runnable_tables();
  const kernels::KernelTable* table = tables[GENERATE_COPY(range(std::size_t{0}, tables.size()))];
  const SpoiltToken t(*table);
  auto& pool = const_cast<engine::ThreadPool&>(t.pool);
  engine::Session alone(t.model, pool, {.context = 8});
  const std::uint64_t first = engine::hash_logits(alone.decode(1));
  const std::uint64_t second = engine::hash_logits(alone.decode(2));
  CAPTURE(table->name);

  engine::Session session(t.model, pool, {.context = 8, .ubatch = 8, .sequences = 4});
  std::vector<std::pair<std::int64_t, std::uint64_t>> got;
  const auto step = [&](std::vector<engine::StepRow> rows) {
    got.clear();
    session.step(rows, [&](std::int64_t row, std::span<const float> logits) {
      got.emplace_back(row, engine::hash_logits(logits));
    });
  };
  // Sequence 1 goes wrong in its last row, where no logits are wanted; sequence 3 in its second.
  constexpr int kBad = SpoiltToken::kBad;
  const std::vector<engine::StepRow> rows = {{0, 1}, {1, 1}, {3, 1},          {3, kBad},
                                             {2, 1}, {3, 2}, {1, kBad, false}};
  CHECK_THROWS_AS(step(rows), engine::RunError);
  CHECK_THROWS_WITH((session.truncate(0), session.truncate(0, 2), step(rows)),
                    Contains("of sequence 1 before position 2 and of sequence 3 before position 3: "
                             "expected finite numbers, got a NaN or an infinity"));
  CHECK(got == std::vector<std::pair<std::int64_t, std::uint64_t>>{{0, first}, {4, first}});
  CHECK(session.position(0) == 1);
  CHECK(session.position(1) == 0);
  CHECK(session.position(2) == 1);
  CHECK(session.position(3) == 0);
  // All of them go on as if the bad tokens had never been there.
  step({{0, 2}, {1, 1, false}, {1, 2}, {2, 2}, {3, 1}});
  CHECK(got == std::vector<std::pair<std::int64_t, std::uint64_t>>{
                   {0, second}, {2, second}, {3, second}, {4, first}});
  CHECK_THROWS_WITH(alone.decode(kBad), !Contains("sequence"));

  std::vector<std::int64_t> scored;
  CHECK_THROWS_WITH(
      (session.step_scores(std::vector<engine::StepRow>{{0, 3}, {1, kBad}, {2, 3}},
                           std::vector<engine::StepTarget>{{0, 1}, {0, 2}, {1, 1}, {2, 1}},
                           [&](std::int64_t target, double, bool) { scored.push_back(target); })),
      Contains("of sequence 1 before position 3: expected finite numbers"));
  CHECK(scored == std::vector<std::int64_t>{0, 1, 3});
}

// ln softmax(logits)[token], straight from the definition and the system's libm.
double log_softmax(std::span<const float> logits, int token) {
  const double top = logits[static_cast<std::size_t>(engine::argmax(logits))];
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - top);
  return double{logits[static_cast<std::size_t>(token)]} - top - std::log(sum);
}

TEST_CASE("a step of scores judges its targets by the logits of their rows", "[session]") {
  TinySession t;
  engine::Session session(t.model, t.pool, {.context = 40, .ubatch = 64, .sequences = 2});
  engine::Session alone(t.model, t.pool, {.context = 40});
  // More rows with targets than logits are made at a time, and rows with several and with none.
  std::vector<engine::StepRow> rows;
  std::vector<engine::StepTarget> targets;
  std::vector<double> expected;
  std::vector<bool> best;
  for (int i = 0; i < 37; ++i) {
    rows.push_back({0, i * 7 % 500});
    const std::span<const float> logits = alone.decode(i * 7 % 500);
    if (i % 11 == 3) continue;
    const int top = engine::argmax(logits);
    for (const int token : {i, top}) {
      targets.push_back({std::ssize(rows) - 1, token});
      expected.push_back(log_softmax(logits, token));
      best.push_back(token == top);
    }
    if (i % 5 == 0) rows.push_back({1, i});  // company
    if (i % 5 == 0) rows.back().logits = false;
  }
  std::size_t next = 0;
  session.step_scores(rows, targets, [&](std::int64_t index, double score, bool is_best) {
    REQUIRE(static_cast<std::size_t>(index) == next);
    CHECK(score == Approx(expected[next]).epsilon(1e-12));
    CHECK(is_best == best[next]);
    ++next;
  });
  CHECK(next == targets.size());
  CHECK(session.position(0) == 37);
  CHECK(session.position(1) == 7);
}

TEST_CASE("a step of scores without targets only fills the cache", "[session]") {
  TinySession t;
  engine::Session session(t.model, t.pool, {.context = 8, .sequences = 2});
  const auto nothing = [](std::int64_t, double, bool) { FAIL("a score of nothing"); };
  session.step_scores(std::vector<engine::StepRow>{{0, 1}, {0, 2}, {1, 3}}, {}, nothing);
  CHECK(session.position(0) == 2);
  engine::Session alone(t.model, t.pool, {.context = 8});
  alone.prefill(std::vector<int>{1, 2});
  CHECK(engine::hash_logits(session.decode(4)) == engine::hash_logits(alone.decode(4)));

  const auto refuse = [&](std::vector<engine::StepTarget> targets, const std::string& why) {
    CHECK_THROWS_WITH(
        session.step_scores(std::vector<engine::StepRow>{{0, 1}, {0, 2}}, targets, nothing),
        Contains(why));
  };
  refuse({{2, 1}}, "target: expected rows from 0 to 1 in ascending order, got 2");
  refuse({{-1, 1}}, "got -1");
  refuse({{1, 1}, {0, 1}}, "in ascending order, got 0");
  refuse({{0, 512}}, "from 0 to 511, got 512");
  CHECK(session.position(0) == 3);
}

TEST_CASE("short sequences together fill a micro-batch longer than any of them", "[session]") {
  TinySession t;
  const engine::Session session(t.model, t.pool, {.context = 8, .ubatch = 20, .sequences = 3});
  CHECK(session.most_rows() == 20);
  const engine::Session few(t.model, t.pool, {.context = 4, .ubatch = 20, .sequences = 3});
  CHECK(few.most_rows() == 12);
}

TEST_CASE("bytes per token count weights once and the cache by position", "[session]") {
  TinySession t;
  const std::int64_t cache_row =
      2 * 2 * 64 * (2 + 2);  // layers, kv heads, head_dim, keys and values in f16
  CHECK(t.session.bytes_per_token(9) - t.session.bytes_per_token(3) == 6 * cache_row);
  CHECK(t.session.bytes_per_token(0) - t.session.weight_bytes() == cache_row + 256 * 2);
  // Ternary layers at 2 bits, head at 16, norms at 32.
  const std::int64_t linear = 2 * (256 * 256 * 2 + 256 * 128 * 2 + 3 * 256 * 512);
  const std::int64_t norms = (2 * (256 + 256 + 256 + 512) + 256) * 4;
  CHECK(t.session.weight_bytes() == linear / 4 + 512 * 256 * 2 + norms);
}

TEST_CASE("a step reads the weights once and each sequence its own cache", "[session]") {
  TinySession t;
  const engine::Session three(t.model, t.pool, {.context = 8, .sequences = 3});
  const std::vector<std::int64_t> positions = {3, 0, 9};
  const std::int64_t weights = t.session.weight_bytes();
  const std::int64_t rows = t.session.bytes_per_token(3) + t.session.bytes_per_token(0) +
                            t.session.bytes_per_token(9) - 3 * weights;
  CHECK(three.bytes_per_step(positions) == weights + rows);
  CHECK(three.bytes_per_token(3) == t.session.bytes_per_token(3));
  CHECK(t.session.cache_bytes() == 8 * 2 * 2 * 64 * (2 + 2));
  CHECK(three.cache_bytes() == 3 * t.session.cache_bytes());
}

TEST_CASE("argmax takes the first of equals", "[session]") {
  CHECK(engine::argmax(std::vector<float>{1, 3, 3, 2}) == 1);
  CHECK(engine::argmax(std::vector<float>{-5}) == 0);
}

TEST_CASE("the hash is FNV-1a over the bytes", "[session]") {
  // Known answer: FNV-1a of the bytes 00 00 80 3f ("1.0f"), computed by hand from the definition.
  const float one = 1.0f;
  std::uint64_t expected = 0xcbf29ce484222325u;
  for (const unsigned byte : {0x00u, 0x00u, 0x80u, 0x3fu})
    expected = (expected ^ byte) * 0x100000001b3u;
  CHECK(engine::hash_logits(std::span(&one, 1)) == expected);
  CHECK(engine::hash_logits({}) == engine::kLogitsHashSeed);
}

}  // namespace
}  // namespace tern::tests
