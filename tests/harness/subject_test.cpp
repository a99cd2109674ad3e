#include "harness/subject.h"

#include "engine/thread_pool.h"
#include "harness/contenders.h"
#include "harness/error.h"
#include "harness/options.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::harness {
namespace {

struct Tiny {
  engine::ThreadPool pool{{.threads = 2, .pin = false, .spin_us = 0}};
  std::shared_ptr<const engine::Model> model =
      engine::Model::load("synth:tiny", kernels_row("scalar"), pool);

  EngineSubjectOptions options(std::int64_t batch, std::int64_t ubatch) const {
    EngineSubjectOptions made;
    made.session.context = 64;
    made.session.ubatch = ubatch;
    made.batch = batch;
    return made;
  }
};

TEST_CASE("the bytes of a prompt are its micro-batches and the cache before them") {
  Tiny tiny;
  const EngineSubject subject("ternary", tiny.model, tiny.pool, tiny.options(4, 3));
  const engine::Session session(tiny.model, tiny.pool, {.context = 64});
  const std::int64_t weights = session.weight_bytes();
  const std::int64_t row = session.bytes_per_token(1) - session.bytes_per_token(0);
  const std::int64_t token = session.bytes_per_token(0) - weights;
  REQUIRE(row > 0);
  REQUIRE(token > row);  // an embedding row beside the new cache row
  // 10 tokens in batches of 4 and micro-batches of 3: 3 1 | 3 1 | 2, beginning at 0, 3, 4, 7 and 8.
  CHECK(subject.bytes_moved({.prompt = 10}) == 5 * weights + 10 * token + (3 + 4 + 7 + 8) * row);
  CHECK(subject.bytes_moved({.prompt = 10, .depth = 5}) ==
        5 * weights + 10 * token + (3 + 4 + 7 + 8 + 5 * 5) * row);
  CHECK(subject.bytes_moved({.gen = 3, .depth = 2}) ==
        session.bytes_per_token(2) + session.bytes_per_token(3) + session.bytes_per_token(4));
}

TEST_CASE("the bytes of several sequences are the weights once a step, and every cache") {
  Tiny tiny;
  EngineSubjectOptions options = tiny.options(4, 3);
  options.session.sequences = 5;
  const EngineSubject subject("ternary", tiny.model, tiny.pool, options);
  const TestCase prompt{.prompt = 10, .depth = 5};
  const TestCase one{.prompt = 10, .gen = 1, .depth = 5};
  const TestCase three{.prompt = 10, .gen = 1, .depth = 5, .sequences = 3};
  const std::int64_t weights =
      engine::Session(tiny.model, tiny.pool, {.context = 64}).weight_bytes();
  const std::int64_t step = subject.bytes_moved(one) - subject.bytes_moved(prompt);
  CHECK(subject.bytes_moved(three) ==
        3 * subject.bytes_moved(prompt) + weights + 3 * (step - weights));
}

TEST_CASE("a batch of sequences runs beside single ones and is verified against them") {
  Tiny tiny;
  EngineSubjectOptions options = tiny.options(5, 2);
  options.session.sequences = 3;
  EngineSubject many("a", tiny.model, tiny.pool, options);
  EngineSubject one("b", tiny.model, tiny.pool, tiny.options(5, 2));
  CHECK(many.verify() == one.verify());
  const TestCase batch{.prompt = 6, .gen = 2, .depth = 20, .sequences = 3};
  for (const TestCase& test :
       {TestCase{.gen = 3}, batch, TestCase{.gen = 1, .sequences = 2}, batch}) {
    many.warm_up(test);
    many.prepare(test);
    many.run(test);  // throws where a cache does not hold exactly what it should
  }
  CHECK(many.verify() == one.verify());
  const TestCase over{.gen = 45, .depth = 20, .sequences = 3};
  many.prepare(over);
  CHECK_THROWS(many.run(over));
}

TEST_CASE("operations are those of the layers per token and of the head per batch") {
  Tiny tiny;
  const EngineSubject subject("ternary", tiny.model, tiny.pool, tiny.options(4, 3));
  const engine::ModelConfig& c = tiny.model->config();
  const std::int64_t layer =
      2 * (2 * c.hidden * c.q_dim() + 2 * c.hidden * c.kv_dim() + 3 * c.hidden * c.ffn);
  CHECK(subject.operations({.prompt = 10, .gen = 2, .depth = 5}).int8 == 12 * c.layers * layer);
  CHECK(subject.operations({.prompt = 10, .gen = 2, .depth = 5}).fp32 ==
        (3 + 2) * 2 * c.vocab * c.hidden);
  CHECK(subject.operations({.prompt = 10, .gen = 2, .sequences = 3}).fp32 ==
        3 * (3 + 2) * 2 * c.vocab * c.hidden);
  const EngineSubject twin("baseline", engine::Model::half_twin(*tiny.model, tiny.pool), tiny.pool,
                           tiny.options(4, 3));
  CHECK(twin.operations({.gen = 1}).int8 == 0);
  CHECK(twin.operations({.gen = 1}).fp32 == c.layers * layer + 2 * c.vocab * c.hidden);
}

TEST_CASE("operations left out are not counted") {
  engine::ThreadPool pool({.threads = 1, .spin_us = 20});
  const kernels::KernelTable& table = kernels::select_table(kernels::detect_cpu());
  EngineSubjectOptions options;
  options.session = {.context = 64, .sequences = 2};
  EngineSubject plain("plain", engine::Model::load("synth:tiny:zeros=0.8", table, pool), pool,
                      options);
  EngineSubject skips(
      "skips", engine::Model::load("synth:tiny:zeros=0.8", table, pool, {.skip_zeros = true}), pool,
      options);
  const TestCase one{.gen = 3}, two{.gen = 3, .sequences = 2}, prompt{.prompt = 7};
  CHECK(skips.operations(one).int8 == plain.operations(one).int8);  // nothing is known yet
  CHECK_FALSE(plain.skip_counts().has_value());
  skips.verify();
  const engine::SkipCounts counts = skips.skip_counts().value();
  CHECK(counts.rows > 0);
  // Two layers of 512 x 256 in each matrix.
  const double left_out = (2 - counts.up_share() - counts.down_share()) * 2 * 512 * 256 * 2;
  CHECK(static_cast<double>(plain.operations(one).int8 - skips.operations(one).int8) ==
        Approx(3 * left_out).margin(3));
  CHECK(skips.operations(one).fp32 == plain.operations(one).fp32);
  CHECK(skips.operations(two).int8 == plain.operations(two).int8);
  CHECK(skips.operations(prompt).int8 == plain.operations(prompt).int8);
}

TEST_CASE("operations on BF16 weights are their own where a row multiplies them in its own way") {
  for (const kernels::KernelTable* table : kernels::runnable_inexact_tables()) {
    Tiny tiny;
    tiny.model = engine::Model::load("synth:tiny", *table, tiny.pool);
    const auto bf16 = engine::Model::twin(*tiny.model, engine::TwinType::kBf16, tiny.pool);
    EngineSubject twin("baseline", bf16, tiny.pool, tiny.options(2048, 512));
    const engine::ModelConfig& c = bf16->config();
    const engine::Operations done = twin.operations({.gen = 1});
    CHECK(done.int8 == 0);
    CHECK(done.fp32 == 2 * c.vocab * c.hidden);  // the head is F16
    CHECK(done.bf16 ==
          c.layers * 2 *
              (2 * c.hidden * c.q_dim() + 2 * c.hidden * c.kv_dim() + 3 * c.hidden * c.ffn));
    // And batches change no bit of them either.
    EngineSubject pieces("baseline", bf16, tiny.pool, tiny.options(5, 2));
    CHECK(twin.verify() == pieces.verify());
  }
}

TEST_CASE("verification does not depend on batches or on what ran before") {
  Tiny tiny;
  EngineSubject whole("a", tiny.model, tiny.pool, tiny.options(2048, 512));
  EngineSubject pieces("b", tiny.model, tiny.pool, tiny.options(5, 2));
  const std::string hash = whole.verify();
  CHECK(hash.size() == 16);
  CHECK(pieces.verify() == hash);
  const TestCase deep{.prompt = 6, .gen = 2, .depth = 20};
  for (const TestCase& test : {TestCase{.gen = 3}, deep, TestCase{.prompt = 4, .depth = 9}, deep}) {
    pieces.warm_up(test);
    pieces.prepare(test);
    pieces.run(test);  // throws where the cache does not hold exactly what it should
  }
  CHECK(pieces.verify() == hash);
}

TEST_CASE("a test that does not fit the context is refused by the engine") {
  Tiny tiny;
  EngineSubject subject("a", tiny.model, tiny.pool, tiny.options(2048, 512));
  const TestCase full{.prompt = 44, .depth = 20};
  subject.prepare(full);
  CHECK_NOTHROW(subject.run(full));
  const TestCase over{.prompt = 45, .depth = 20};
  subject.prepare(over);
  CHECK_THROWS(subject.run(over));
}

TEST_CASE("a stop is seen between tokens") {
  Tiny tiny;
  std::atomic<bool> stop{false};
  EngineSubjectOptions options = tiny.options(2048, 512);
  options.stop = &stop;
  EngineSubject subject("a", tiny.model, tiny.pool, options);
  CHECK_NOTHROW(subject.run({.gen = 2}));
  stop = true;
  CHECK_THROWS_AS(subject.run({.gen = 2}), Error);
  CHECK_THROWS_AS(subject.run({.prompt = 2}), Error);
}

TEST_CASE("contenders: the twin, no baseline, and too little memory") {
  Tiny tiny;
  const kernels::KernelTable& table = kernels_row("scalar");
  const MemoryNeed need{.positions = 64};
  const Contenders both = load_contenders("synth:tiny", "auto", need, table, tiny.pool);
  REQUIRE(both.baselines.size() == 1);
  CHECK(both.no_baseline.empty());
  CHECK(both.first_name() == "ternary");
  CHECK(both.baselines[0].name == "baseline");
  CHECK(both.baselines[0].model->facts().weight_types == "f16");
  const Contenders alone = load_contenders("synth:tiny", "none", need, table, tiny.pool);
  CHECK(alone.baselines.empty());
  CHECK(alone.no_baseline == "--baseline none was given");
  // A cache that no machine can hold twice beside the twin.
  const Contenders huge =
      load_contenders("synth:tiny", "auto", {.positions = std::int64_t{1} << 44}, table, tiny.pool);
  CHECK(huge.baselines.empty());
  CHECK_THAT(huge.no_baseline, Catch::Matchers::Contains("the FP16 twin of synth:tiny needs"));
}

TEST_CASE("contenders: several twins, each with layers of its own, and all or none of them") {
  Tiny tiny;
  const kernels::KernelTable& table = kernels_row("scalar");
  const auto load = [&](const std::string& baselines, std::int64_t positions) {
    return load_contenders("synth:tiny", baselines, {.positions = positions}, table, tiny.pool);
  };
  const Contenders three = load("q8_0,f16,bf16", 64);
  REQUIRE(three.baselines.size() == 3);
  CHECK(three.no_baseline.empty());
  const char* kExpected[][2] = {
      {"baseline", "q8_0"}, {"baseline:f16", "f16"}, {"baseline:bf16", "bf16"}};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(three.baselines[i].name == kExpected[i][0]);
    CHECK(three.baselines[i].model->facts().weight_types == kExpected[i][1]);
  }
  using enum engine::TwinType;
  const engine::Model& first = *three.first;
  const MemoryNeed need{.positions = 64};
  CHECK(twins_need_bytes(first, {kF16, kQ8_0}, need) ==
        first.twin_bytes(kF16) + first.twin_bytes(kQ8_0) + 3 * cache_bytes(first.config(), need));
  CHECK(first.twin_bytes(kQ8_0) > 0);
  // Caches of two subjects fit into what can be spared, those of three do not.
  const std::int64_t available = engine::available_memory_bytes();
  const std::int64_t one = cache_bytes(three.first->config(), {.positions = 1});
  const std::int64_t positions = (available - memory_margin(available)) / 5 * 2 / one;
  CHECK(load("f16", positions).baselines.size() == 1);
  CHECK_THROWS_WITH(
      load("f16,bf16", positions),
      Catch::Matchers::Contains("the FP16 and BF16 twins of synth:tiny together need") &&
          Catch::Matchers::Contains("MiB to spare; name fewer of them"));
}

}  // namespace
}  // namespace tern::harness
