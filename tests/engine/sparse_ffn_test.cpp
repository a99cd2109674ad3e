#include "engine/sparse_ffn.h"

#include <vector>

#include "engine/error.h"
#include "engine/logits.h"
#include "engine/session.h"
#include "engine/thread_pool.h"
#include "tests/engine/temporary_folder.h"
#include "tests/engine/tiny_model.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::tests {
namespace {

using Catch::Matchers::Contains;
using engine::Model;
using engine::Session;
using engine::ThreadPool;

std::vector<int> some_tokens(int vocab) {
  std::vector<int> tokens;
  for (int i = 0; i < 24; ++i) tokens.push_back((i * 37 + 11) % vocab);
  return tokens;
}

std::shared_ptr<const Model> load(const std::string& spec, bool skip_zeros, ThreadPool& pool,
                                  const kernels::KernelTable& table,
                                  engine::TernaryBits bits = engine::TernaryBits::k2) {
  return Model::load(spec, table, pool, {.ternary_bits = bits, .skip_zeros = skip_zeros});
}

// Of every position, one token at a time.
std::uint64_t hash_of(Session& session, int vocab) {
  std::uint64_t hash = engine::kLogitsHashSeed;
  for (const int token : some_tokens(vocab)) {
    hash = engine::hash_logits(session.decode(token), hash);
  }
  return hash;
}

std::uint64_t hash_of(const std::string& spec, bool skip_zeros, int vocab, int threads,
                      const kernels::KernelTable& table) {
  ThreadPool pool({.threads = threads, .spin_us = 20});
  Session session(load(spec, skip_zeros, pool, table), pool, {.context = 30});
  return hash_of(session, vocab);
}

void check_everywhere(const std::string& spec, int vocab) {
  const std::uint64_t expected = hash_of(spec, false, vocab, 1, *kernels::find_table("scalar"));
  for (const kernels::KernelTable* table : kernels::runnable_tables()) {
    for (const int threads : {1, 2, 3}) {
      CAPTURE(spec, table->name, threads);
      CHECK(hash_of(spec, true, vocab, threads, *table) == expected);
    }
  }
}

TEST_CASE("skipping zeros changes no bit of the logits", "[skip_zeros]") {
  check_everywhere("synth:tiny", 512);
  check_everywhere("synth:tiny:zeros=0.9", 512);
}

// Rows that end in the middle of a line.
TEST_CASE("skipping zeros changes no bit of an awkward shape", "[skip_zeros]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.hidden = 320;
  model.vocab = 77;
  write_tiny(folder / "m.gguf", model);
  check_everywhere((folder / "m.gguf").string(), 77);
}

std::shared_ptr<const Model> load_twin(const std::string& spec, engine::TwinType type,
                                       bool skip_zeros, ThreadPool& pool,
                                       const kernels::KernelTable& table) {
  return Model::twin(*load(spec, skip_zeros, pool, table), type, pool);
}

// Where it skips, few rows are read of the twin too.
std::uint64_t twin_hash(const std::shared_ptr<const Model>& twin, int vocab, int threads) {
  ThreadPool pool({.threads = threads, .spin_us = 20});
  Session session(twin, pool, {.context = 30});
  const bool skip_zeros = twin->facts().skip_zeros;
  const std::uint64_t hash = hash_of(session, vocab);
  CHECK((session.skip_counts().rows > 0) == skip_zeros);
  CHECK(session.skip_counts().up_read * 4 <= session.skip_counts().rows * 3);
  CHECK(session.skip_counts().down_read <= session.skip_counts().up_read);
  return hash;
}

void check_twins_everywhere(const std::string& spec, int vocab) {
  for (const engine::TwinType type : {engine::TwinType::kF16, engine::TwinType::kBf16}) {
    ThreadPool pool({.threads = 2, .spin_us = 20});  // loading is most of the work
    const auto plain = load_twin(spec, type, false, pool, *kernels::find_table("scalar"));
    REQUIRE_FALSE(plain->facts().skip_zeros);
    const std::uint64_t expected = twin_hash(plain, vocab, 1);
    for (const kernels::KernelTable* table : kernels::runnable_tables()) {
      const auto twin = load_twin(spec, type, true, pool, *table);
      REQUIRE(twin->facts().skip_zeros);
      for (const int threads : {1, 2, 3}) {
        CAPTURE(spec, engine::name(type), table->name, threads);
        CHECK(twin_hash(twin, vocab, threads) == expected);
      }
    }
  }
}

TEST_CASE("skipping zeros changes no bit of float twins", "[skip_zeros]") {
  check_twins_everywhere("synth:tiny", 512);
  check_twins_everywhere("synth:tiny:zeros=0.9", 512);
  const TemporaryFolder folder;
  TinyModel model;
  model.hidden = 320;
  model.vocab = 77;
  write_tiny(folder / "m.gguf", model);
  check_twins_everywhere((folder / "m.gguf").string(), 77);
}

TEST_CASE("twins in blocks and inexact ones read everything", "[skip_zeros]") {
  ThreadPool pool({.threads = 1, .spin_us = 20});
  const auto skips = [&](engine::TwinType type, const kernels::KernelTable& table) {
    const auto base = load("synth:tiny", true, pool, table);
    const auto plain = load("synth:tiny", false, pool, table);
    const bool more = base->twin_bytes(type) > plain->twin_bytes(type);
    const auto twin = Model::twin(*base, type, pool);
    CHECK(twin->facts().skip_zeros == more);
    CHECK((twin->facts().bytes > Model::twin(*plain, type, pool)->facts().bytes) == more);
    return more;
  };
  const kernels::KernelTable& exact = kernels::select_table(kernels::detect_cpu());
  CHECK(skips(engine::TwinType::kF16, exact));
  CHECK(skips(engine::TwinType::kBf16, exact));
  CHECK_FALSE(skips(engine::TwinType::kQ8_0, exact));
  CHECK_FALSE(skips(engine::TwinType::kQ4_0, exact));
  for (const kernels::KernelTable* table : kernels::runnable_inexact_tables()) {
    INFO(table->name);
    CHECK(skips(engine::TwinType::kF16, *table));
    CHECK_FALSE(skips(engine::TwinType::kBf16, *table));
  }
}

TEST_CASE("copies of a twin are in its memory, and what it reads in its bytes", "[skip_zeros]") {
  ThreadPool pool({.threads = 2, .spin_us = 20});
  const kernels::KernelTable& table = kernels::select_table(kernels::detect_cpu());
  const auto make = [&](bool skip_zeros) {
    return load_twin("synth:tiny:zeros=0.8", engine::TwinType::kBf16, skip_zeros, pool, table);
  };
  // Two layers of 512 rows of 256 columns in each of two matrices.
  constexpr std::int64_t kRow = 256 * 2, kCopies = 2 * 2 * 512 * kRow;
  const auto plain = make(false), twin = make(true);
  CHECK(twin->facts().bytes == plain->facts().bytes + kCopies);
  const auto base = load("synth:tiny", true, pool, table);
  CHECK(base->twin_bytes(engine::TwinType::kF16) ==
        load("synth:tiny", false, pool, table)->twin_bytes(engine::TwinType::kF16) + kCopies);
  Session session(twin, pool, {.context = 30});
  const std::int64_t all = Session(plain, pool, {.context = 30}).bytes_per_token(7);
  CHECK(session.bytes_per_token(7) == all);
  hash_of(session, 512);
  const std::int64_t read = session.skip_counts().up_read + session.skip_counts().down_read;
  CHECK(session.bytes_per_token(7) ==
        Approx(static_cast<double>(all - kCopies + read * kRow / 24)).margin(kRow));
  CHECK(session.skip_counts().up_share() == Approx(0.2).margin(0.05));
}

TEST_CASE("what is skipped is counted", "[skip_zeros]") {
  ThreadPool pool({.threads = 2, .spin_us = 20});
  const kernels::KernelTable& table = kernels::select_table(kernels::detect_cpu());
  const auto share = [&](const std::string& spec) {
    Session session(load(spec, true, pool, table), pool, {.context = 30});
    CHECK(session.skip_counts().rows == 0);
    hash_of(session, 512);
    CHECK(session.skip_counts().rows == 24 * 2 * 512);
    CHECK(session.skip_counts().down_read <= session.skip_counts().up_read);
    return session.skip_counts().up_share();
  };
  CHECK(share("synth:tiny") == Approx(0.5).margin(0.05));
  CHECK(share("synth:tiny:zeros=0.8") == Approx(0.2).margin(0.05));
  CHECK(share("synth:tiny:zeros=0.95") == Approx(0.05).margin(0.03));
}

TEST_CASE("prefill and steps of several sequences read everything", "[skip_zeros]") {
  ThreadPool pool({.threads = 2, .spin_us = 20});
  const kernels::KernelTable& table = kernels::select_table(kernels::detect_cpu());
  Session session(load("synth:tiny", true, pool, table), pool, {.context = 30, .sequences = 2});
  session.prefill(some_tokens(512));
  session.prefill(some_tokens(512), 1);
  const std::vector<engine::StepRow> rows = {{0, 3}, {1, 5}};
  session.step(rows, [](std::int64_t, std::span<const float>) {});
  CHECK(session.skip_counts().rows == 0);
}

TEST_CASE("bytes of a token are those read on average", "[skip_zeros]") {
  ThreadPool pool({.threads = 1, .spin_us = 20});
  const kernels::KernelTable& table = kernels::select_table(kernels::detect_cpu());
  const auto model = load("synth:tiny:zeros=0.8", true, pool, table);
  const auto plain = load("synth:tiny:zeros=0.8", false, pool, table);
  Session session(model, pool, {.context = 30});
  const std::int64_t all = Session(plain, pool, {.context = 30}).bytes_per_token(7);
  CHECK(session.bytes_per_token(7) == all);
  hash_of(session, 512);
  // Two layers of 512 rows of 64 bytes (256 columns) in each of two matrices.
  const std::int64_t read = session.skip_counts().up_read + session.skip_counts().down_read;
  CHECK(session.bytes_per_token(7) ==
        Approx(static_cast<double>(all - 2 * 2 * 512 * 64 + read * 64 / 24)).margin(128));
  const std::int64_t several[] = {7, 7};
  CHECK(session.bytes_per_step(several) > all);
  CHECK(model->facts().bytes == plain->facts().bytes + 2 * 2 * 512 * 64);
}

TEST_CASE("zeros are skipped of ternary layers with squared ReLU only", "[skip_zeros]") {
  ThreadPool pool({.threads = 1, .spin_us = 20});
  const kernels::KernelTable& table = kernels::select_table(kernels::detect_cpu());
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = "llama";
  write_tiny(folder / "silu.gguf", model);
  CHECK_THROWS_WITH(load((folder / "silu.gguf").string(), true, pool, table),
                    Contains("silu.gguf") && Contains("expected squared ReLU"));
  model.architecture = "bitnet-b1.58";
  model.linear_type = engine::DType::kF16;
  write_tiny(folder / "f16.gguf", model);
  CHECK_THROWS_WITH(load((folder / "f16.gguf").string(), true, pool, table),
                    Contains("f16.gguf") && Contains("expected ternary linear layers"));
}

}  // namespace
}  // namespace tern::tests
