#pragma once
// The meaning of a model's metadata: dimensions and the few switches in which the architectures
// differ. One Transformer reads it; there are no copies of the forward pass.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/formats/gguf.h"

namespace tern::engine {

enum class Activation : std::uint8_t { kRelu2, kSilu, kGelu };  // of the gate; kGelu: by tanh
enum class RopePairs : std::uint8_t { kHalf, kInterleaved };    // (i, i + d/2) or (2i, 2i + 1)

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
  // What the frequencies of the head_dim / 2 rotated pairs are divided by (engine/rope.h); empty:
  // nothing.
  std::vector<float> rope_divisors;
  float rms_eps = 1e-5f;
  Activation activation = Activation::kRelu2;
  RopePairs rope_pairs = RopePairs::kHalf;
  bool sub_norms = true;          // attn_sub_norm and ffn_sub_norm
  bool qkv_bias = false;          // added to queries, keys and values before they are rotated
  bool qk_norms = false;          // of each head's query and key, before they are rotated
  bool post_norms = false;        // of what a block adds to the residual stream
  bool inner_norm_names = false;  // sub-norms are called as in 1bitLLM's checkpoints
  float norm_offset = 0;      // added to the weights of all norms: Gemma's checkpoints hold w - 1
  float embedding_scale = 1;  // what embeddings are multiplied by
  double query_scalar = 0;    // scores are dot products over the root of it; 0: of head_dim
  // Layers whose queries see the last `window` keys only, their own included. They rotate by a base
  // of their own and know no divisors.
  std::vector<bool> sliding;  // (layers); empty: none
  std::int64_t window = 0;
  double sliding_rope_theta = 0;
  bool tied_embedding =
      true;               // the output head is the embedding (GGUF: unless it has an output tensor)
  std::int64_t bos = -1;  // -1: none
  std::int64_t eos = -1;

  std::int64_t q_dim() const noexcept { return heads * head_dim; }
  std::int64_t kv_dim() const noexcept { return kv_heads * head_dim; }
  bool slides(std::int64_t layer) const noexcept {
    return !sliding.empty() && sliding[static_cast<std::size_t>(layer)];
  }
  // The first key that the query at `position` sees.
  std::int64_t first_key(std::int64_t layer, std::int64_t position) const noexcept {
    return slides(layer) && position >= window ? position - window + 1 : 0;
  }
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

// The tensor of a GGUF that holds rope_divisors.
inline constexpr const char* kRopeDivisors = "rope_freqs.weight";

// The switches of one graph, the same for every container. kBitnet: Microsoft's BitNet b1.58 2B4T;
// kBitnetSilu: 1bitLLM's reproduction, bitnet_b1_58-large and -3B.
enum class Graph : std::uint8_t { kBitnet, kBitnetSilu, kLlama, kQwen2, kGemma3 };
void set_graph(ModelConfig& config, Graph graph) noexcept;

// Gemma 3's constants, for files that do not name them: every sixth layer sees all keys.
inline constexpr std::int64_t kGemmaPattern = 6;
inline constexpr double kGemmaSlidingTheta = 10000;
std::vector<bool> sliding_layers(std::int64_t layers, std::int64_t pattern);

// Throws Error on contradictions that would otherwise surface as nonsense or as a crash far from
// their cause. `origin` names the model in messages.
void validate(const ModelConfig& config, const std::string& origin);

// Both throw Error when a key is missing, has the wrong type, or the dimensions contradict each
// other.
ModelConfig config_from_gguf(const GgufFile& file);
ModelConfig config_from_json(const std::string& config_json, const std::string& origin);

}  // namespace tern::engine
