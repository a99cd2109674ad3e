#pragma once
// The roles tensors play in the network, and what each container calls them.

#include <cstdint>
#include <string>

namespace tern::engine {

enum class Container : std::uint8_t { kGguf, kHuggingFace };

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
};
inline constexpr int kLayerMatrices = 7;

enum class ModelRole : std::uint8_t { kEmbedding, kOutputNorm, kOutput };

// "blk.3.attn_q.weight" or "model.layers.3.self_attn.q_proj.weight".
std::string tensor_name(Container container, std::int64_t layer, LayerRole role);
std::string tensor_name(Container container, ModelRole role);

}  // namespace tern::engine
