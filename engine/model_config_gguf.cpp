// The metadata of a GGUF file as a ModelConfig.

#include <cmath>

#include "engine/error.h"
#include "engine/formats/blocks.h"
#include "engine/model_config.h"

namespace tern::engine {
namespace {

class GgufKeys {
 public:
  GgufKeys(const GgufFile& file, std::string architecture)
      : file_(file), architecture_(std::move(architecture)) {}

  std::int64_t integer(const std::string& suffix) const {
    const auto value = file_.integer(key(suffix));
    if (!value) throw missing(suffix);
    return *value;
  }
  std::int64_t integer_or(const std::string& suffix, std::int64_t otherwise) const {
    return file_.integer(key(suffix)).value_or(otherwise);
  }
  double number(const std::string& suffix) const {
    const auto value = file_.number(key(suffix));
    if (!value) throw missing(suffix);
    return *value;
  }
  double number_or(const std::string& suffix, double otherwise) const {
    return file_.number(key(suffix)).value_or(otherwise);
  }
  std::string key(const std::string& suffix) const { return architecture_ + "." + suffix; }

 private:
  Error missing(const std::string& suffix) const {
    return Error("metadata of " + file_.origin() + ": expected the key '" + key(suffix) +
                 "', got none");
  }
  const GgufFile& file_;
  std::string architecture_;
};

std::int64_t embedding_rows(const GgufFile& file) {
  const TensorView* embedding = file.find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    throw Error("tensors of " + file.origin() + ": expected a matrix 'token_embd.weight', got " +
                (embedding == nullptr ? std::string("none") : describe(*embedding)));
  }
  return embedding->shape[0];
}

// A factor slows all rotations down alike ("linear"). Without a type a factor means the same;
// scale_linear is its older name, and 0 stands for none.
double linear_factor(const GgufFile& file, const GgufKeys& keys) {
  const auto type = file.string(keys.key("rope.scaling.type"));
  if (type && *type != "none" && *type != "linear") {
    throw Error("RoPE scaling in " + file.origin() + ": expected none or linear, got " + *type);
  }
  double factor = type && *type == "none" ? 1 : keys.number_or("rope.scaling.factor", 0);
  if (factor == 0) factor = type ? 1 : keys.number_or("rope.scale_linear", 0);
  if (factor == 0) factor = 1;
  if (!(factor > 0 && std::isfinite(factor))) {
    throw Error("RoPE scaling in " + file.origin() + ": expected a positive factor, got " +
                std::to_string(factor));
  }
  return factor;
}

// The tensor that stands for Llama 3's scaling: (head_dim / 2).
std::vector<float> stored_divisors(const GgufFile& file, std::int64_t head_dim) {
  const TensorView* stored = file.find(kRopeDivisors);
  if (stored == nullptr) return {};
  if (stored->type != DType::kF32 || stored->shape.size() != 1 ||
      stored->shape[0] != head_dim / 2) {
    throw Error("tensor '" + stored->name + "' in " + file.origin() + ": expected f32 (" +
                std::to_string(head_dim / 2) + "), got " + describe(*stored));
  }
  std::vector<float> divisors(static_cast<std::size_t>(head_dim / 2));
  decode_row(*stored, 0, divisors.data());
  for (const float divisor : divisors) {
    if (divisor > 0 && std::isfinite(divisor)) continue;
    throw Error("tensor '" + stored->name + "' in " + file.origin() +
                ": expected positive numbers, got " + std::to_string(divisor));
  }
  return divisors;
}

std::vector<float> rope_divisors(const GgufFile& file, const GgufKeys& keys,
                                 std::int64_t head_dim) {
  std::vector<float> divisors = stored_divisors(file, head_dim);
  const auto factor = static_cast<float>(linear_factor(file, keys));
  if (factor == 1) return divisors;
  divisors.resize(static_cast<std::size_t>(head_dim / 2), 1.0f);
  for (float& divisor : divisors) divisor = divisor * factor;
  return divisors;
}

// Some converters call the 2B4T "bitnet" too, the name of 1bitLLM's models, whose activation is
// another. Its vocabulary, Llama 3's, gives it away.
void refuse_2b4t(const GgufFile& file) {
  constexpr std::int64_t kLlama3Vocabulary = 128256;
  if (embedding_rows(file) != kLlama3Vocabulary) return;
  throw Error("architecture of " + file.origin() +
              ": expected bitnet-b1.58 for a model with Llama 3's vocabulary of " +
              std::to_string(kLlama3Vocabulary) +
              ", got bitnet, which means SiLU where BitNet b1.58 2B4T has squared ReLU");
}

Graph graph_of(const GgufFile& file, const std::string& architecture) {
  // "bitnet-25" is the 2B4T's first upload: the same graph.
  if (architecture == "bitnet-b1.58" || architecture == "bitnet-25") return Graph::kBitnet;
  if (architecture == "bitnet") {
    refuse_2b4t(file);
    return Graph::kBitnetSilu;
  }
  if (architecture == "llama") return Graph::kLlama;
  if (architecture == "qwen2") return Graph::kQwen2;
  if (architecture == "gemma3") return Graph::kGemma3;
  throw Error("architecture of " + file.origin() +
              ": expected bitnet-b1.58, bitnet-25, bitnet, llama, qwen2 or gemma3, got '" +
              architecture + "'");
}

// Which layers slide: a list, a period, or, as older files have it, nothing.
std::vector<bool> sliding_pattern(const GgufFile& file, const GgufKeys& keys, std::int64_t layers) {
  const std::string key = keys.key("attention.sliding_window_pattern");
  const auto it = file.metadata().find(key);
  if (it == file.metadata().end()) return sliding_layers(layers, kGemmaPattern);
  if (const auto* list = std::get_if<std::vector<bool>>(&it->second)) {
    if (std::ssize(*list) == layers) return *list;
    throw Error("'" + key + "' in " + file.origin() + ": expected one value for each of " +
                std::to_string(layers) + " layers, got " + std::to_string(list->size()));
  }
  const std::int64_t period = file.integer(key).value_or(0);
  if (period >= 1) return sliding_layers(layers, period);
  throw Error("'" + key + "' in " + file.origin() + ": expected at least 1, got " +
              std::to_string(period));
}

// The scalar is in no key. It is head_dim but in the model of 62 layers (27B), which the converter
// tells by their number (llama.cpp, its model loader).
void set_gemma(const GgufFile& file, const GgufKeys& keys, ModelConfig& c) {
  constexpr std::int64_t kLayersOf27b = 62;
  c.embedding_scale = std::sqrt(static_cast<float>(c.hidden));
  c.window = keys.integer("attention.sliding_window");
  c.sliding = sliding_pattern(file, keys, c.layers);
  c.sliding_rope_theta = keys.number_or("rope.freq_base_swa", kGemmaSlidingTheta);
  if (c.layers == kLayersOf27b) c.query_scalar = static_cast<double>(c.hidden / c.heads);
  for (const char* name : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (keys.number_or(name, 0) == 0) continue;
    throw Error("'" + keys.key(name) + "' in " + file.origin() + ": expected none, got " +
                std::to_string(keys.number(name)));
  }
}

}  // namespace

ModelConfig config_from_gguf(const GgufFile& file) {
  const auto architecture = file.string("general.architecture");
  if (!architecture) {
    throw Error("metadata of " + file.origin() +
                ": expected the key 'general.architecture', got none");
  }
  const Graph graph = graph_of(file, *architecture);
  const GgufKeys keys(file, *architecture);
  ModelConfig c;
  c.architecture = *architecture;
  c.name = file.string("general.name").value_or(*architecture);
  c.vocab = embedding_rows(file);
  c.context = keys.integer("context_length");
  c.hidden = keys.integer("embedding_length");
  c.layers = keys.integer("block_count");
  c.ffn = keys.integer("feed_forward_length");
  c.heads = keys.integer("attention.head_count");
  c.kv_heads = keys.integer_or("attention.head_count_kv", c.heads);
  c.head_dim = keys.integer_or("attention.key_length", c.heads > 0 ? c.hidden / c.heads : 0);
  c.rope_theta = keys.number_or("rope.freq_base", 10000);
  c.rms_eps = static_cast<float>(keys.number("attention.layer_norm_rms_epsilon"));
  set_graph(c, graph);
  // Converters of "llama" alone permute the rows of q and k, from halves to neighbours.
  c.rope_pairs = graph == Graph::kLlama ? RopePairs::kInterleaved : RopePairs::kHalf;
  c.tied_embedding = file.find("output.weight") == nullptr;
  c.bos = file.integer("tokenizer.ggml.bos_token_id").value_or(-1);
  c.eos = file.integer("tokenizer.ggml.eos_token_id").value_or(-1);
  validate(c, file.origin());  // before what follows computes with it
  if (graph == Graph::kGemma3) {
    set_gemma(file, keys, c);
    validate(c, file.origin());
  }
  for (const char* name : {"rope.dimension_count", "attention.value_length"}) {
    const std::int64_t got = keys.integer_or(name, c.head_dim);
    if (got != c.head_dim) {
      throw Error("'" + keys.key(name) + "' in " + file.origin() +
                  ": expected the head dimension " + std::to_string(c.head_dim) + ", got " +
                  std::to_string(got));
    }
  }
  c.rope_divisors = rope_divisors(file, keys, c.head_dim);
  return c;
}

}  // namespace tern::engine
