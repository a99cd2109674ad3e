#include "engine/model_config.h"

#include "engine/error.h"
#include "kernels/attention/attention.h"
#include "kernels/ternary/ternary.h"

namespace tern::engine {
namespace {

void check_dimension(const char* what, std::int64_t value, const std::string& origin) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 24;
  if (value < 1 || value > kLargest) {
    throw Error(std::string(what) + " in " + origin + ": expected 1 to " +
                std::to_string(kLargest) + ", got " + std::to_string(value));
  }
}

void check_theta(const char* what, double theta, const std::string& origin) {
  if (theta >= 1 && theta < 1e12) return;
  throw Error(std::string(what) + " in " + origin + ": expected 1 to 1e12, got " +
              std::to_string(theta));
}

}  // namespace

void set_graph(ModelConfig& c, Graph graph) noexcept {
  const bool bitnet = graph == Graph::kBitnet;
  const bool gemma = graph == Graph::kGemma3;
  c.activation = bitnet ? Activation::kRelu2 : gemma ? Activation::kGelu : Activation::kSilu;
  c.sub_norms = bitnet || graph == Graph::kBitnetSilu;
  c.qkv_bias = graph == Graph::kQwen2;
  c.qk_norms = gemma;
  c.post_norms = gemma;
}

// Layer i sees all keys where i + 1 is a multiple of `pattern`.
std::vector<bool> sliding_layers(std::int64_t layers, std::int64_t pattern) {
  std::vector<bool> sliding;
  for (std::int64_t i = 0; i < layers; ++i) sliding.push_back((i + 1) % pattern != 0);
  return sliding;
}

void validate(const ModelConfig& c, const std::string& origin) {
  check_dimension("vocabulary size", c.vocab, origin);
  check_dimension("context length", c.context, origin);
  check_dimension("hidden size", c.hidden, origin);
  check_dimension("layer count", c.layers, origin);
  check_dimension("feed-forward size", c.ffn, origin);
  check_dimension("attention head count", c.heads, origin);
  check_dimension("key/value head count", c.kv_heads, origin);
  check_dimension("head dimension", c.head_dim, origin);
  if (c.heads % c.kv_heads != 0) {
    throw Error("attention heads in " + origin + ": expected a multiple of the " +
                std::to_string(c.kv_heads) + " key/value heads, got " + std::to_string(c.heads));
  }
  if (c.head_dim % 2 != 0 || c.head_dim > kernels::kMaxHeadDim) {
    throw Error("head dimension in " + origin + ": expected an even number up to " +
                std::to_string(kernels::kMaxHeadDim) + ", got " + std::to_string(c.head_dim));
  }
  if (c.hidden > kernels::kMaxTernaryCols || c.ffn > kernels::kMaxTernaryCols ||
      c.q_dim() > kernels::kMaxTernaryCols) {
    throw Error("matrix columns in " + origin + ": expected at most " +
                std::to_string(kernels::kMaxTernaryCols));
  }
  if (!(c.rms_eps > 0 && c.rms_eps < 1)) {
    throw Error("RMS norm epsilon in " + origin + ": expected a value between 0 and 1, got " +
                std::to_string(c.rms_eps));
  }
  check_theta("RoPE base frequency", c.rope_theta, origin);
  if (!c.sliding.empty()) {
    check_dimension("sliding window", c.window, origin);
    check_theta("RoPE base frequency of sliding layers", c.sliding_rope_theta, origin);
  }
  if (!(c.query_scalar >= 0 && c.query_scalar < 1e12)) {
    throw Error("query scalar in " + origin + ": expected 0 to 1e12, got " +
                std::to_string(c.query_scalar));
  }
}

}  // namespace tern::engine
