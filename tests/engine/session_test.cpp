#include "engine/session.h"

#include <cstring>
#include <limits>

#include "engine/error.h"
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
