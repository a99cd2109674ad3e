// One answer everywhere: the bits of the logits do not depend on kernels row, threads or batch, nor
// on whether a prompt was prefilled or fed token by token. The golden hashes hold the same on every
// processor.
#include <cstdlib>
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
  bool twin;
  CacheType cache;
};

std::uint64_t hash_of(const Case& c, const kernels::KernelTable& table, int threads,
                      std::int64_t ubatch, std::span<const int> tokens) {
  ThreadPool pool({.threads = threads, .spin_us = 20});
  auto model = Model::load(c.spec, table, pool);
  if (c.twin) model = Model::half_twin(*model, pool);
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
      CAPTURE(c.spec, c.twin, table->name, threads, ubatch);
      CHECK(hash_of(c, *table, threads, ubatch, tokens) == expected);
    }
  }
}

TEST_CASE("logits are the same bits on every row, thread count and batch", "[conformance]") {
  const bool twin = GENERATE(false, true);
  const CacheType cache = GENERATE(CacheType::kF16, CacheType::kF32);
  check_case({"synth:tiny", twin, cache}, 512,
             !brief() && twin == (cache == CacheType::kF32) ? kLong : kShort);
}

TEST_CASE("an awkward shape and the Llama graph give one answer too", "[conformance]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = GENERATE(as<std::string>{}, "bitnet-b1.58", "llama");
  model.head_dim =
      48;  // 288 columns in attention's output: no multiple of the quantised rows' padding
  model.heads = 6;
  model.kv_heads = 3;
  model.vocab = 77;
  const auto path = folder.path() / "awkward.gguf";
  model.linear_type = GENERATE(engine::DType::kI2S, engine::DType::kF16);
  write_tiny(path, model);
  check_case({path.string(), false, CacheType::kF16}, 77, kShort);
}

TEST_CASE("the same weights give the golden hash on every processor", "[conformance]") {
  // The value of the first implementation. A change of arithmetic changes it, and every stored hash
  // with it.
  constexpr std::uint64_t kGolden = 0x8e0071274609f4e1;
  CHECK(hash_of({"synth:tiny", false, CacheType::kF16},
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

}  // namespace
}  // namespace tern::tests
