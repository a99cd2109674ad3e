// The whole network against an independent binary64 implementation, on models made here.
#include "engine/session.h"
#include "engine/thread_pool.h"
#include "tests/engine/reference_model.h"
#include "tests/engine/temporary_folder.h"
#include "tests/engine/tiny_model.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::tests {
namespace {

const std::vector<int> kTokens = {3, 17, 250, 9, 0, 330, 42};

double worst_difference(const std::filesystem::path& path, bool twin,
                        const std::vector<int>& tokens = kTokens) {
  const ReferenceModel::Matrix expected = ReferenceModel(path, twin).logits(tokens);
  engine::ThreadPool pool({.threads = 2, .spin_us = 20});
  auto model =
      engine::Model::load(path.string(), kernels::select_table(kernels::detect_cpu()), pool);
  if (twin) model = engine::Model::half_twin(*model, pool);
  engine::Session session(model, pool,
                          {.context = std::ssize(tokens),
                           .cache_k = kernels::CacheType::kF32,
                           .cache_v = kernels::CacheType::kF32});
  double worst = 0;
  session.prefill_all(tokens, [&](std::int64_t t, std::span<const float> logits) {
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double difference =
          static_cast<double>(logits[i]) - expected[static_cast<std::size_t>(t)][i];
      worst = std::max(worst, std::fabs(difference));
    }
  });
  return worst;
}

// Logits have a standard deviation of about 10 here. Two summation orders in binary32 differ by
// less than 1e-4; one int8 rounding that falls the other way moves logits by 0.1 or more, and any
// mistake in the graph by far more. The seeds are ones without a rounding on the edge, and the
// engine's answer never varies.
constexpr double kTolerance = 1e-3;

TEST_CASE("the ternary graph equals the formulas in binary64", "[transformer]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = GENERATE(as<std::string>{}, "bitnet-b1.58", "llama");
  model.seed = GENERATE(2u, 3u);
  model.heads = GENERATE(2, 4, 6);
  model.kv_heads = 2;
  write_tiny(folder / "m.gguf", model);
  CAPTURE(model.architecture, model.seed, model.heads);
  CHECK(worst_difference(folder / "m.gguf", false) < kTolerance);
}

TEST_CASE("the FP16 twin equals the dequantised network in binary64", "[transformer]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = GENERATE(as<std::string>{}, "bitnet-b1.58", "llama");
  model.ffn = 512;
  model.linear_type = GENERATE(engine::DType::kI2S, engine::DType::kTq2_0);
  write_tiny(folder / "m.gguf", model);
  CHECK(worst_difference(folder / "m.gguf", true) < kTolerance);
}

TEST_CASE("dense graphs equal the formulas in binary64", "[transformer]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = GENERATE(as<std::string>{}, "llama", "qwen2");
  model.own_head = GENERATE(false, true);
  model.rope_divisors = GENERATE(false, true);
  model.linear_type = engine::DType::kF16;
  write_tiny(folder / "m.gguf", model);
  CAPTURE(model.architecture, *model.own_head, model.rope_divisors);
  CHECK(worst_difference(folder / "m.gguf", false) < kTolerance);
}

TEST_CASE("Gemma 3's graph equals the formulas in binary64, windows included", "[transformer]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = "gemma3";
  model.layers = 3;  // sliding, all keys, sliding
  model.hidden = 128;
  model.heads = GENERATE(1, 4);
  model.kv_heads = 1;
  model.head_dim = 48;
  model.ffn = 64;
  model.vocab = 61;
  model.window = GENERATE(1, 5, 200);
  model.rope_divisors = true;  // of the layers that see everything
  model.linear_type = engine::DType::kF16;
  write_tiny(folder / "m.gguf", model);
  std::vector<int> tokens;
  // Windows of 200 and less leave the first block of keys behind.
  for (int i = 0; i < (model.window == 200 ? 300 : 40); ++i) tokens.push_back((i * 37 + 11) % 61);
  CAPTURE(model.heads, model.window);
  CHECK(worst_difference(folder / "m.gguf", false, tokens) < kTolerance);
}

TEST_CASE("1bitLLM's graph has SiLU, and scales of its own for each matrix", "[transformer]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = "bitnet";
  model.output_scales = GENERATE(false, true);
  model.linear_type = GENERATE(engine::DType::kI2S, engine::DType::kF16);
  write_tiny(folder / "m.gguf", model);
  CHECK(worst_difference(folder / "m.gguf", false) < kTolerance);
}

TEST_CASE("biases are added behind ternary layers too", "[transformer]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = "qwen2";
  write_tiny(folder / "m.gguf", model);
  CHECK(worst_difference(folder / "m.gguf", false) < kTolerance);
  CHECK(worst_difference(folder / "m.gguf", true) < kTolerance);
}

TEST_CASE("float matrices in a ternary architecture run unquantised", "[transformer]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.linear_type = engine::DType::kF16;
  write_tiny(folder / "m.gguf", model);
  CHECK(worst_difference(folder / "m.gguf", false) < kTolerance);
}

}  // namespace
}  // namespace tern::tests
