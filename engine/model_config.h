#pragma once
// The meaning of a model's metadata: dimensions and the few switches in which the architectures
// differ. One Transformer reads it; there are no copies of the forward pass.

#include <cstdint>
#include <string>

#include "engine/formats/gguf.h"

namespace tern::engine {

enum class Activation : std::uint8_t { kRelu2, kSilu };
enum class RopePairs : std::uint8_t { kHalf, kInterleaved };  // (i, i + d/2) or (2i, 2i + 1)

struct ModelConfig {
  std::string architecture;  // "bitnet-b1.58", "llama", …
  std::string name;          // general.name, or the synthetic name
  std::int64_t vocab = 0;
  std::int64_t context = 0;  // trained context length
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t ffn = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  double rope_theta = 10000;
  float rms_eps = 1e-5f;
  Activation activation = Activation::kRelu2;
  RopePairs rope_pairs = RopePairs::kHalf;
  bool sub_norms = true;  // attn_sub_norm and ffn_sub_norm
  bool tied_embedding =
      true;               // the output head is the embedding (GGUF: unless it has an output tensor)
  std::int64_t bos = -1;  // -1: none
  std::int64_t eos = -1;

  std::int64_t q_dim() const noexcept { return heads * head_dim; }
  std::int64_t kv_dim() const noexcept { return kv_heads * head_dim; }
};

// How the linear layers of a Hugging Face checkpoint are quantised ("quantization_config").
struct HfQuantization {
  enum class Weights : std::uint8_t {
    kFloat,
    kPacked,
    kOnline
  };  // dense, packed trits, ternarised on loading
  Weights weights = Weights::kFloat;
  // What weight_scale means: "autobitlinear" multiplies trits by it, "bitlinear" (the default)
  // divides.
  bool multiply = false;
};

// Throws Error when the method is not "bitnet" or a value is unknown.
HfQuantization hf_quantization(const std::string& config_json, const std::string& origin);

// Both throw Error when a key is missing, has the wrong type, or the dimensions contradict each
// other.
ModelConfig config_from_gguf(const GgufFile& file);
ModelConfig config_from_json(const std::string& config_json, const std::string& origin);

}  // namespace tern::engine
