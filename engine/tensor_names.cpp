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
constexpr std::array<Pair, 15> kLayerNames = {{
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
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"post_attention_norm", "post_attention_layernorm"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
}};

constexpr std::array<Pair, 3> kModelNames = {{
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
}};

const char* hugging_face_name(Container container, LayerRole role) {
  if (container == Container::kHuggingFaceGemma && role == LayerRole::kFfnNorm) {
    return "pre_feedforward_layernorm";
  }
  if (container == Container::kHuggingFace1bitLlm) {
    if (role == LayerRole::kAttnSubNorm) return "self_attn.inner_attn_ln";
    if (role == LayerRole::kFfnSubNorm) return "mlp.ffn_layernorm";
  }
  return kLayerNames[static_cast<std::size_t>(role)].hugging_face;
}

std::string layer_name(Container container, std::int64_t layer, LayerRole role, const char* what) {
  const std::string number = std::to_string(layer);
  if (container == Container::kGguf) {
    return "blk." + number + "." + kLayerNames[static_cast<std::size_t>(role)].gguf + what;
  }
  return "model.layers." + number + "." + hugging_face_name(container, role) + what;
}

}  // namespace

std::string tensor_name(Container container, std::int64_t layer, LayerRole role) {
  return layer_name(container, layer, role, ".weight");
}

std::string scale_name(std::int64_t layer, LayerRole role) {
  return layer_name(Container::kGguf, layer, role, ".scale");
}

std::string bias_name(Container container, std::int64_t layer, LayerRole role) {
  return layer_name(container, layer, role, ".bias");
}

std::string tensor_name(Container container, ModelRole role) {
  const Pair& names = kModelNames[static_cast<std::size_t>(role)];
  return std::string(container == Container::kGguf ? names.gguf : names.hugging_face) + ".weight";
}

}  // namespace tern::engine
