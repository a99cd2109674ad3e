#pragma once
// The roles tensors play in the network, and what each container calls them. Gemma's checkpoints
// use a name of Llama's for another norm, and 1bitLLM's have names of their own for sub-norms, so
// they count as containers of their own.

#include <cstdint>
#include <string>

namespace tern::engine {

enum class Container : std::uint8_t { kGguf, kHuggingFace, kHuggingFaceGemma, kHuggingFace1bitLlm };

// Roles of one layer. The first seven are the matrices, in the order synthetic models number them.
enum class LayerRole : std::uint8_t {
  kQ,
  kK,
  kV,
  kO,
  kGate,
  kUp,
  kDown,
  kAttnNorm,
  kAttnSubNorm,
  kFfnNorm,
  kFfnSubNorm,
  kQNorm,
  kKNorm,
  kPostAttnNorm,
  kPostFfnNorm,
};
inline constexpr int kLayerMatrices = 7;

enum class ModelRole : std::uint8_t { kEmbedding, kOutputNorm, kOutput };

// "blk.3.attn_q.weight" or "model.layers.3.self_attn.q_proj.weight".
std::string tensor_name(Container container, std::int64_t layer, LayerRole role);
std::string tensor_name(Container container, ModelRole role);

// "blk.3.attn_q.bias": what is added to the output of a matrix.
std::string bias_name(Container container, std::int64_t layer, LayerRole role);

// "blk.3.attn_q.scale": what the output of a matrix is multiplied by, in GGUF files of "bitnet".
std::string scale_name(std::int64_t layer, LayerRole role);

}  // namespace tern::engine
