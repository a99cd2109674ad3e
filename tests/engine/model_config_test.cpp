#include "engine/model_config.h"

#include <cmath>

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
  CHECK_FALSE(l.qkv_bias);
}

TEST_CASE("Qwen 2 has biases, and RoPE by halves in a GGUF too", "[model_config]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = "qwen2";
  model.own_head = false;
  const engine::ModelConfig c = read(folder, model);
  CHECK(c.qkv_bias);
  CHECK(c.rope_pairs == engine::RopePairs::kHalf);
  CHECK(c.activation == engine::Activation::kSilu);
  CHECK(c.tied_embedding);
}

TEST_CASE("\"bitnet\" is 1bitLLM's network, unless it is the 2B4T", "[model_config]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = "bitnet";
  const engine::ModelConfig c = read(folder, model);
  CHECK(c.activation == engine::Activation::kSilu);
  CHECK(c.sub_norms);
  CHECK(c.rope_pairs == engine::RopePairs::kHalf);
  model.hidden = model.ffn = 128;
  model.vocab = 128256;
  CHECK_THROWS_WITH(read(folder, model), Contains("got bitnet, which means SiLU"));
}

TEST_CASE("Gemma 3's layers slide but for each sixth, or as the file says", "[model_config]") {
  const TemporaryFolder folder;
  TinyModel model;
  model.architecture = "gemma3";
  model.layers = 13;
  TinyHooks hooks;
  hooks.skip_key = [](const std::string& key) { return key.ends_with("_pattern"); };
  const engine::ModelConfig c = read(folder, model, hooks);
  CHECK(c.activation == engine::Activation::kGelu);
  CHECK(c.window == 16);
  CHECK(c.sliding_rope_theta == 10000);
  CHECK(c.embedding_scale == 16.0f);  // the root of 256
  CHECK(c.norm_offset == 0);
  CHECK(c.tied_embedding);
  for (std::int64_t layer = 0; layer < 13; ++layer) CHECK(c.slides(layer) == (layer % 6 != 5));
  CHECK(c.first_key(0, 15) == 0);
  CHECK(c.first_key(0, 16) == 1);
  CHECK(c.first_key(5, 400) == 0);
  model.window_period = 2;
  CHECK_FALSE(read(folder, model).slides(1));
  model.window_period = 0;
  CHECK_THROWS_WITH(read(folder, model), Contains("_pattern'") && Contains("at least 1, got 0"));
  model.window_period = 2;
  hooks.skip_key = [](const std::string& key) { return key.ends_with("sliding_window"); };
  CHECK_THROWS_WITH(read(folder, model, hooks), Contains("'gemma3.attention.sliding_window'"));
  model.window = 0;
  CHECK_THROWS_WITH(read(folder, model), Contains("sliding window") && Contains("got 0"));
  model.window = 16;
  hooks = {};
  hooks.extra_numbers = {{"final_logit_softcapping", 30.0}};
  CHECK_THROWS_WITH(read(folder, model, hooks), Contains("'gemma3.final_logit_softcapping'"));
}

TEST_CASE("a GGUF configuration that cannot be right is refused in one sentence",
          "[model_config]") {
  const TemporaryFolder folder;
  TinyModel model;
  SECTION("architecture") {
    model.architecture = "gpt2";
    CHECK_THROWS_WITH(read(folder, model), Contains("architecture") && Contains("got 'gpt2'"));
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
  SECTION("divisors of the rotations of another head") {
    TinyHooks hooks;
    hooks.extra_tensor = "rope_freqs.weight";
    CHECK_THROWS_WITH(read(folder, model, hooks), Contains("'rope_freqs.weight'") &&
                                                      Contains("expected f32 (32), got f32 (1)"));
  }
  SECTION("divisors that are no numbers") {
    model.rope_divisors = true;
    TinyHooks hooks;
    hooks.spoil = [](const std::string& tensor, std::vector<std::byte>& bytes) {
      if (tensor == "rope_freqs.weight") std::fill(bytes.begin(), bytes.end(), std::byte{0});
    };
    CHECK_THROWS_WITH(read(folder, model, hooks), Contains("expected positive numbers"));
  }
  SECTION("a negative factor of RoPE scaling") {
    TinyHooks hooks;
    hooks.extra_numbers = {{"rope.scaling.factor", -4.0}};
    CHECK_THROWS_WITH(read(folder, model, hooks), Contains("expected a positive factor"));
  }
  SECTION("another kind of RoPE scaling") {
    TinyHooks hooks;
    hooks.extra_texts = {{"rope.scaling.type", "yarn"}};
    CHECK_THROWS_WITH(read(folder, model, hooks), Contains("none or linear, got yarn"));
  }
}

TEST_CASE("RoPE scaling of a GGUF becomes divisors", "[model_config]") {
  const TemporaryFolder folder;
  TinyModel model;
  CHECK(read(folder, model).rope_divisors.empty());
  TinyHooks hooks;
  hooks.extra_numbers = {{"rope.scale_linear", 4.0}};
  CHECK(read(folder, model, hooks).rope_divisors == std::vector<float>(32, 4.0f));
  hooks.extra_numbers = {{"rope.scaling.factor", 1.0}};
  CHECK(read(folder, model, hooks).rope_divisors.empty());
  hooks.extra_numbers = {{"rope.scaling.factor", 8.0}};
  hooks.extra_texts = {{"rope.scaling.type", "none"}};
  CHECK(read(folder, model, hooks).rope_divisors.empty());
  model.rope_divisors = true;
  const auto stored = read(folder, model).rope_divisors;
  REQUIRE(stored.size() == 32);
  CHECK(stored.back() != 1.0f);
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
      Contains("'factor'"));
  CHECK_THROWS_WITH(
      engine::config_from_json(kConfig + R"(,"rope_scaling":{"type":"dynamic"}})", "here"),
      Contains("'rope_type'") && Contains("\"dynamic\""));
  CHECK_NOTHROW(
      engine::config_from_json(kConfig + R"(,"rope_scaling":{"rope_type":"default"}})", "here"));
  std::string newer = kConfig;
  newer.replace(newer.find(R"("rope_theta":500000.0)"), 21,
                R"("rope_parameters":{"rope_theta":700000.0,"rope_type":"default"})");
  CHECK(engine::config_from_json(newer + "}", "here").rope_theta == 700000.0);
  newer.replace(newer.find("default"), 7, "yarn");
  CHECK_THROWS_WITH(engine::config_from_json(newer + "}", "here"), Contains("got \"yarn\""));
  CHECK_THROWS_WITH(engine::config_from_json(kConfig + R"(,"num_hidden_layers":"two"})", "here"),
                    Contains("expected an integer, got \"two\""));
}

TEST_CASE("Gemma 3's config.json is read, old and new", "[model_config]") {
  const std::string common = R"({"model_type":"gemma3_text","hidden_size":1152,"head_dim":256,
    "hidden_activation":"gelu_pytorch_tanh","intermediate_size":6912,"num_attention_heads":4,
    "num_key_value_heads":1,"max_position_embeddings":32768,"rms_norm_eps":1e-06,"vocab_size":262144,
    "query_pre_attn_scalar":256,"sliding_window":512,"attn_logit_softcapping":null)";
  const auto read_json = [&](const std::string& more) {
    return engine::config_from_json(common + more + "}", "here");
  };
  const std::string old =
      R"(,"rope_theta":1000000,"rope_local_base_freq":20000,"rope_scaling":{"rope_type":"linear","factor":8.0})";
  const engine::ModelConfig c = read_json(R"(,"num_hidden_layers":26)" + old);
  CHECK(c.head_dim == 256);
  CHECK(c.norm_offset == 1);
  CHECK(c.query_scalar == 256);
  CHECK(c.tied_embedding);  // the default of its class
  CHECK(c.rope_theta == 1e6);
  CHECK(c.sliding_rope_theta == 20000);
  CHECK(c.rope_divisors == std::vector<float>(128, 8.0f));
  CHECK(c.embedding_scale == std::sqrt(1152.0f));
  CHECK_FALSE(c.slides(5));
  CHECK(c.slides(25));
  const engine::ModelConfig n = read_json(
      R"(,"num_hidden_layers":2,"layer_types":["full_attention","sliding_attention"],"rope_parameters":{
      "full_attention":{"rope_type":"default","rope_theta":3e6},
      "sliding_attention":{"rope_type":"default","rope_theta":30000}})");
  CHECK(n.rope_theta == 3e6);
  CHECK(n.sliding_rope_theta == 30000);
  CHECK(n.rope_divisors.empty());
  CHECK_FALSE(n.slides(0));
  CHECK(n.slides(1));
  CHECK_THROWS_WITH(read_json(R"(,"num_hidden_layers":2,"layer_types":["full_attention"])" + old),
                    Contains("'layer_types'"));
  CHECK_THROWS_WITH(read_json(R"(,"num_hidden_layers":2,"final_logit_softcapping":30.0)" + old),
                    Contains("'final_logit_softcapping'"));
}

TEST_CASE("a Qwen 2 checkpoint with sliding windows is refused", "[model_config]") {
  std::string qwen = kConfig;
  qwen.replace(qwen.find("bitnet"), 6, "qwen2");
  qwen.replace(qwen.find("relu2"), 5, "silu");
  CHECK(engine::config_from_json(qwen + R"(,"use_sliding_window":false})", "here").qkv_bias);
  CHECK_THROWS_WITH(engine::config_from_json(qwen + R"(,"use_sliding_window":true})", "here"),
                    Contains("'use_sliding_window'"));
}

TEST_CASE("1bitLLM's llama is ternary, by its bits", "[model_config]") {
  std::string config = kConfig;
  config.replace(config.find("bitnet"), 6, "llama");
  config.replace(config.find("relu2"), 5, "silu");
  CHECK_FALSE(engine::config_from_json(config + "}", "here").sub_norms);
  config += R"(,"weight_bits":1,"input_bits":8)";
  const engine::ModelConfig c = engine::config_from_json(config + "}", "here");
  CHECK(c.sub_norms);
  CHECK(c.inner_norm_names);
  CHECK(engine::hf_quantization(config + "}", "here").weights == HfQuantization::Weights::kOnline);
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
