#pragma once
// The roles tensors play in the network, and what each container calls them. Gemma's checkpoints
// use a name of Llama's for another norm, so they count as a container of their own.

#include <cstdint>
#include <string>

namespace tern::engine {

enum class Container : std::uint8_t { kGguf, kHuggingFace, kHuggingFaceGemma };

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

}  // namespace tern::engine
