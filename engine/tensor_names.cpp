#include "engine/tensor_names.h"

#include <array>

namespace tern::engine {
namespace {

struct Pair {
  const char* gguf;
  const char* hugging_face;
};

// Indexed by LayerRole. Sources: the GGUF files and repositories named in the model formats'
// reference.
constexpr std::array<Pair, 11> kLayerNames = {{
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
    {"attn_norm", "input_layernorm"},
    {"attn_sub_norm", "self_attn.attn_sub_norm"},
    {"ffn_norm", "post_attention_layernorm"},
    {"ffn_sub_norm", "mlp.ffn_sub_norm"},
}};

constexpr std::array<Pair, 3> kModelNames = {{
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
}};

}  // namespace

std::string tensor_name(Container container, std::int64_t layer, LayerRole role) {
  const Pair& names = kLayerNames[static_cast<std::size_t>(role)];
  const std::string number = std::to_string(layer);
  return container == Container::kGguf
             ? "blk." + number + "." + names.gguf + ".weight"
             : "model.layers." + number + "." + names.hugging_face + ".weight";
}

std::string tensor_name(Container container, ModelRole role) {
  const Pair& names = kModelNames[static_cast<std::size_t>(role)];
  return std::string(container == Container::kGguf ? names.gguf : names.hugging_face) + ".weight";
}

}  // namespace tern::engine
