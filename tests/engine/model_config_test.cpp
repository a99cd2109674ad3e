#include "engine/model_config.h"

#include "engine/error.h"
#include "tests/engine/temporary_folder.h"
#include "tests/engine/tiny_model.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using Catch::Matchers::Contains;
using engine::HfQuantization;

engine::ModelConfig read(const TemporaryFolder& folder, const TinyModel& model,
                         TinyHooks hooks = {}) {
  write_tiny(folder / "m.gguf", model, std::move(hooks));
  return engine::config_from_gguf(engine::GgufFile(folder / "m.gguf"));
}

TEST_CASE("a BitNet GGUF and a Llama GGUF differ in four switches", "[model_config]") {
  const TemporaryFolder folder;
  const engine::ModelConfig b = read(folder, {});
  CHECK(b.vocab == 331);
  CHECK(b.ffn == 384);
  CHECK(b.kv_heads == 2);
  CHECK(b.activation == engine::Activation::kRelu2);
  CHECK(b.rope_pairs == engine::RopePairs::kHalf);
  CHECK(b.sub_norms);
  CHECK(b.tied_embedding);
  TinyModel llama;
  llama.architecture = "llama";
  const engine::ModelConfig l = read(folder, llama);
  CHECK(l.activation == engine::Activation::kSilu);
  CHECK(l.rope_pairs == engine::RopePairs::kInterleaved);
  CHECK_FALSE(l.sub_norms);
  CHECK_FALSE(l.tied_embedding);
}

TEST_CASE("a GGUF configuration that cannot be right is refused in one sentence",
          "[model_config]") {
  const TemporaryFolder folder;
  TinyModel model;
  SECTION("architecture") {
    model.architecture = "bitnet";
    CHECK_THROWS_WITH(read(folder, model), Contains("architecture") && Contains("got 'bitnet'"));
  }
  SECTION("a missing key") {
    TinyHooks hooks;
    hooks.skip_key = [](const std::string& key) { return key == "bitnet-b1.58.block_count"; };
    CHECK_THROWS_WITH(read(folder, model, hooks),
                      Contains("'bitnet-b1.58.block_count'") && Contains("m.gguf"));
  }
  SECTION("heads") {
    model.heads = 3;
    CHECK_THROWS_WITH(read(folder, model), Contains("multiple of the 2 key/value heads, got 3"));
  }
  SECTION("odd head dimension") {
    model.head_dim = 63;
    model.heads = 128;
    model.kv_heads = 128;
    CHECK_THROWS_WITH(read(folder, model), Contains("even number") && Contains("got 63"));
  }
  SECTION("scaled RoPE") {
    TinyHooks hooks;
    hooks.extra_tensor = "rope_freqs.weight";
    CHECK_THROWS_WITH(read(folder, model, hooks), Contains("RoPE scaling"));
  }
  SECTION("scaled RoPE by a factor alone") {
    TinyHooks hooks;
    hooks.extra_numbers = {{"rope.scale_linear", 4.0}};
    CHECK_THROWS_WITH(read(folder, model, hooks), Contains("'bitnet-b1.58.rope.scale_linear'"));
    hooks.extra_numbers = {{"rope.scaling.factor", 1.0}};
    CHECK_NOTHROW(read(folder, model, hooks));
  }
}

const std::string kConfig = R"({"model_type":"bitnet","hidden_act":"relu2","hidden_size":256,
  "intermediate_size":512,"max_position_embeddings":4096,"num_attention_heads":4,"num_hidden_layers":2,
  "num_key_value_heads":2,"rms_norm_eps":1e-05,"rope_theta":500000.0,"tie_word_embeddings":true,
  "vocab_size":512,"bos_token_id":504,"eos_token_id":[505,506])";

TEST_CASE("a Hugging Face configuration is read, not defaulted", "[model_config]") {
  const engine::ModelConfig c = engine::config_from_json(kConfig + "}", "here");
  CHECK(c.head_dim == 64);
  CHECK(c.tied_embedding);
  CHECK(c.bos == 504);
  CHECK(c.eos == 505);
  CHECK(c.rope_pairs == engine::RopePairs::kHalf);
  CHECK_THROWS_WITH(engine::config_from_json("[1]", "here"),
                    Contains("config.json of here") && Contains("array"));
  CHECK_THROWS_WITH(engine::config_from_json("{", "here"), Contains("not JSON"));
  CHECK_THROWS_WITH(engine::config_from_json(R"({"model_type":"gpt2"})", "here"),
                    Contains("got \"gpt2\""));
  CHECK_THROWS_WITH(engine::config_from_json(R"({"model_type":"bitnet"})", "here"),
                    Contains("'vocab_size'"));
  CHECK_THROWS_WITH(
      engine::config_from_json(kConfig + R"(,"rope_scaling":{"rope_type":"llama3"}})", "here"),
      Contains("'rope_scaling'"));
  CHECK_NOTHROW(
      engine::config_from_json(kConfig + R"(,"rope_scaling":{"rope_type":"default"}})", "here"));
  std::string newer = kConfig;
  newer.replace(newer.find(R"("rope_theta":500000.0)"), 21,
                R"("rope_parameters":{"rope_theta":700000.0,"rope_type":"default"})");
  CHECK(engine::config_from_json(newer + "}", "here").rope_theta == 700000.0);
  newer.replace(newer.find("default"), 7, "yarn");
  CHECK_THROWS_WITH(engine::config_from_json(newer + "}", "here"), Contains("'rope_parameters'"));
  CHECK_THROWS_WITH(engine::config_from_json(kConfig + R"(,"num_hidden_layers":"two"})", "here"),
                    Contains("expected an integer, got \"two\""));
}

TEST_CASE("weight_scale means opposite things in the two linear classes", "[model_config]") {
  const auto read_quantization = [](const std::string& inner) {
    return engine::hf_quantization(kConfig + ",\"quantization_config\":" + inner + "}", "here");
  };
  const HfQuantization official = read_quantization(
      R"({"quant_method":"bitnet","linear_class":"autobitlinear","quantization_mode":"offline"})");
  CHECK(official.multiply);
  CHECK(official.weights == HfQuantization::Weights::kPacked);
  const HfQuantization master = read_quantization(
      R"({"quant_method":"bitnet","linear_class":"autobitlinear","quantization_mode":"online"})");
  CHECK(master.weights == HfQuantization::Weights::kOnline);
  const HfQuantization inverse = read_quantization(R"({"quant_method":"bitnet"})");
  CHECK_FALSE(inverse.multiply);
  CHECK(inverse.weights == HfQuantization::Weights::kPacked);
  CHECK(engine::hf_quantization(kConfig + "}", "here").weights == HfQuantization::Weights::kFloat);
  CHECK_THROWS_WITH(read_quantization(R"({"quant_method":"gptq"})"), Contains("\"gptq\""));
  CHECK_THROWS_WITH(read_quantization(R"({"quant_method":"bitnet","linear_class":"x"})"),
                    Contains("'linear_class'"));
}

}  // namespace
}  // namespace tern::tests
