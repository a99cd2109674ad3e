// A network is the same from a GGUF and from a Hugging Face folder, bit for bit; but for Llama,
// whose queries and keys have another order in a GGUF, and so their dot products another rounding.
#include <cmath>

#include "engine/error.h"
#include "engine/session.h"
#include "engine/thread_pool.h"
#include "tests/engine/hugging_face_folder.h"
#include "tests/engine/temporary_folder.h"
#include "tests/engine/tiny_model.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::tests {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

struct Twice {
  TemporaryFolder folder;
  engine::ThreadPool pool{{.threads = 2, .spin_us = 20}};

  explicit Twice(const TinyModel& model, const json& more = json::object()) {
    write_tiny(folder / "m.gguf", model);
    HuggingFaceWriter(folder / "m.gguf", folder / "hf").write(more);
  }

  std::shared_ptr<const engine::Model> load(const char* name) {
    return engine::Model::load((folder / name).string(),
                               kernels::select_table(kernels::detect_cpu()), pool);
  }

  std::vector<float> logits(const char* name) {
    engine::Session session(load(name), pool, {.context = 64, .cache_k = kernels::CacheType::kF32});
    const std::vector<int> tokens = {3, 17, 50, 9, 0, 60, 42, 5, 5, 31};
    std::vector<float> all;
    session.prefill_all(tokens, [&](std::int64_t, std::span<const float> row) {
      all.insert(all.end(), row.begin(), row.end());
    });
    return all;
  }
};

TEST_CASE("float networks are the same in both containers", "[hugging_face]") {
  TinyModel model;
  model.architecture = GENERATE(as<std::string>{}, "llama", "qwen2", "gemma3");
  model.own_head = GENERATE(false, true);
  model.vocab = 61;
  model.window = 4;
  model.linear_type = engine::DType::kF16;
  CAPTURE(model.architecture, *model.own_head);
  Twice twice(model);
  const std::vector<float> got = twice.logits("hf"), expected = twice.logits("m.gguf");
  if (model.architecture == "llama") {
    float worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst, std::fabs(got[i] - expected[i]));
    }
    CHECK(worst < 1e-3f);
  } else {
    CHECK(got == expected);
  }
  CHECK(twice.load("hf")->facts().parameters == twice.load("m.gguf")->facts().parameters);
}

TEST_CASE("ternary networks are the same in both containers", "[hugging_face]") {
  TinyModel model;
  model.architecture = GENERATE(as<std::string>{}, "bitnet-b1.58", "bitnet", "qwen2");
  model.vocab = 61;
  CAPTURE(model.architecture);
  json more = {{"quantization_config",
                {{"quant_method", "bitnet"},
                 {"linear_class", "autobitlinear"},
                 {"quantization_mode", "offline"}}}};
  if (model.architecture == "bitnet-b1.58") more["model_type"] = "bitnet";
  Twice twice(model, more);
  CHECK(twice.load("hf")->facts().ternary);
  CHECK(twice.logits("hf") == twice.logits("m.gguf"));
}

TEST_CASE("1bitLLM's checkpoints are ternarised as they are loaded", "[hugging_face]") {
  TinyModel model;
  model.architecture = "bitnet";
  model.linear_type = engine::DType::kF16;
  Twice twice(model);
  const auto loaded = twice.load("hf");
  CHECK(loaded->facts().ternary);
  CHECK(loaded->config().activation == engine::Activation::kSilu);
  CHECK_FALSE(twice.load("m.gguf")->facts().ternary);
  Twice wrong(model, {{"input_bits", 4}});
  CHECK_THROWS_WITH(wrong.load("hf"), Contains("'input_bits'") && Contains("expected 8, got 4"));
}

}  // namespace
}  // namespace tern::tests
