#include "engine/model_config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "kernels/attention/attention.h"
#include "kernels/ternary/ternary.h"

namespace tern::engine {
namespace {

using nlohmann::json;

void check_dimension(const char* what, std::int64_t value, const std::string& origin) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 24;
  if (value < 1 || value > kLargest) {
    throw Error(std::string(what) + " in " + origin + ": expected 1 to " +
                std::to_string(kLargest) + ", got " + std::to_string(value));
  }
}

// Contradictions that would otherwise surface as nonsense or as a crash far from their cause.
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
  if (!(c.rope_theta >= 1 && c.rope_theta < 1e12)) {
    throw Error("RoPE base frequency in " + origin + ": expected 1 to 1e12, got " +
                std::to_string(c.rope_theta));
  }
}

// ---- GGUF
// -------------------------------------------------------------------------------------------

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

void refuse_scaled_rope(const GgufFile& file, const GgufKeys& keys) {
  const auto scaling = file.string(keys.key("rope.scaling.type"));
  if ((scaling && *scaling != "none") || file.find("rope_freqs.weight") != nullptr) {
    throw Error("RoPE scaling in " + file.origin() + ": expected none, got " +
                (scaling ? *scaling : std::string("a rope_freqs tensor")));
  }
  // Without a type a factor means linear scaling; scale_linear is its older name. 0 stands for
  // none.
  for (const char* name : {"rope.scaling.factor", "rope.scale_linear"}) {
    const double factor = scaling ? 1 : keys.number_or(name, 1);
    if (factor != 0 && factor != 1) {
      throw Error("'" + keys.key(name) + "' in " + file.origin() +
                  ": expected no RoPE scaling, got " + "a factor of " + std::to_string(factor));
    }
  }
}

// ---- Hugging Face
// -----------------------------------------------------------------------------------

json parse_config(const std::string& text, const std::string& origin) {
  json config = json::parse(text, nullptr, false);
  if (!config.is_object()) {
    throw Error("config.json of " + origin + ": expected a JSON object, got " +
                (config.is_discarded() ? std::string("text that is not JSON")
                                       : std::string(config.type_name())));
  }
  return config;
}

Error wrong(const std::string& key, const std::string& origin, const char* expected,
            const json& got) {
  return Error("'" + key + "' in config.json of " + origin + ": expected " + expected + ", got " +
               got.dump().substr(0, 80));
}

const json& require(const json& config, const std::string& key, const std::string& origin) {
  const auto it = config.find(key);
  if (it == config.end() || it->is_null()) {
    throw Error("config.json of " + origin + ": expected the key '" + key + "', got none");
  }
  return *it;
}

std::int64_t integer(const json& config, const std::string& key, const std::string& origin) {
  const json& value = require(config, key, origin);
  if (!value.is_number_integer()) throw wrong(key, origin, "an integer", value);
  return value.get<std::int64_t>();
}

std::int64_t integer_or(const json& config, const std::string& key, const std::string& origin,
                        std::int64_t otherwise) {
  const auto it = config.find(key);
  return it == config.end() || it->is_null() ? otherwise : integer(config, key, origin);
}

double number(const json& config, const std::string& key, const std::string& origin) {
  const json& value = require(config, key, origin);
  if (!value.is_number()) throw wrong(key, origin, "a number", value);
  return value.get<double>();
}

std::string text(const json& config, const std::string& key, const std::string& origin) {
  const json& value = require(config, key, origin);
  if (!value.is_string()) throw wrong(key, origin, "a string", value);
  return value.get<std::string>();
}

std::string text_or(const json& config, const std::string& key, const std::string& origin,
                    const std::string& otherwise) {
  const auto it = config.find(key);
  return it == config.end() || it->is_null() ? otherwise : text(config, key, origin);
}

// A token id, or the first of a list of them.
std::int64_t token_id(const json& config, const std::string& key) {
  const auto it = config.find(key);
  if (it == config.end()) return -1;
  const json& value = it->is_array() && !it->empty() ? it->front() : *it;
  return value.is_number_integer() ? value.get<std::int64_t>() : -1;
}

// "rope_theta", or the same inside "rope_parameters" (transformers 5). Rotations that are scaled
// ("rope_type" other than "default", formerly "type") are refused.
double rope_theta(const json& config, const std::string& origin) {
  const json* theta_in = &config;
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto it = config.find(key);
    if (it == config.end() || it->is_null()) continue;
    const json type = it->is_object() ? it->value("rope_type", it->value("type", json())) : json();
    if (type != "default") throw wrong(key, origin, "none, or the \"rope_type\" \"default\"", *it);
    if (!config.contains("rope_theta") && it->contains("rope_theta")) theta_in = &*it;
  }
  return number(*theta_in, "rope_theta", origin);
}

Activation activation(const std::string& name, const std::string& origin) {
  if (name == "relu2") return Activation::kRelu2;
  if (name == "silu") return Activation::kSilu;
  throw Error("'hidden_act' in config.json of " + origin +
              ": expected \"relu2\" or \"silu\", got \"" + name + "\"");
}

}  // namespace

ModelConfig config_from_gguf(const GgufFile& file) {
  const auto architecture = file.string("general.architecture");
  if (!architecture) {
    throw Error("metadata of " + file.origin() +
                ": expected the key 'general.architecture', got none");
  }
  // "bitnet-25" is the 2B4T's first upload: the same graph. "bitnet" is another network (1bitLLM:
  // SiLU).
  const bool bitnet = *architecture == "bitnet-b1.58" || *architecture == "bitnet-25";
  if (!bitnet && *architecture != "llama") {
    throw Error("architecture of " + file.origin() +
                ": expected bitnet-b1.58, bitnet-25 or llama, got '" + *architecture + "'");
  }
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
  c.activation = bitnet ? Activation::kRelu2 : Activation::kSilu;
  c.rope_pairs = bitnet ? RopePairs::kHalf : RopePairs::kInterleaved;
  c.sub_norms = bitnet;
  c.tied_embedding = file.find("output.weight") == nullptr;
  c.bos = file.integer("tokenizer.ggml.bos_token_id").value_or(-1);
  c.eos = file.integer("tokenizer.ggml.eos_token_id").value_or(-1);
  validate(c, file.origin());
  for (const char* name : {"rope.dimension_count", "attention.value_length"}) {
    const std::int64_t got = keys.integer_or(name, c.head_dim);
    if (got != c.head_dim) {
      throw Error("'" + keys.key(name) + "' in " + file.origin() +
                  ": expected the head dimension " + std::to_string(c.head_dim) + ", got " +
                  std::to_string(got));
    }
  }
  refuse_scaled_rope(file, keys);
  return c;
}

ModelConfig config_from_json(const std::string& config_json, const std::string& origin) {
  const json config = parse_config(config_json, origin);
  ModelConfig c;
  c.architecture = text(config, "model_type", origin);
  const bool bitnet = c.architecture == "bitnet";
  if (!bitnet && c.architecture != "llama") {
    throw Error("'model_type' in config.json of " + origin +
                ": expected \"bitnet\" or \"llama\", got \"" + c.architecture + "\"");
  }
  c.name = text_or(config, "_name_or_path", origin, c.architecture);
  c.vocab = integer(config, "vocab_size", origin);
  c.context = integer(config, "max_position_embeddings", origin);
  c.hidden = integer(config, "hidden_size", origin);
  c.layers = integer(config, "num_hidden_layers", origin);
  c.ffn = integer(config, "intermediate_size", origin);
  c.heads = integer(config, "num_attention_heads", origin);
  c.kv_heads = integer_or(config, "num_key_value_heads", origin, c.heads);
  c.head_dim = integer_or(config, "head_dim", origin, c.heads > 0 ? c.hidden / c.heads : 0);
  c.rope_theta = rope_theta(config, origin);
  c.rms_eps = static_cast<float>(number(config, "rms_norm_eps", origin));
  c.activation = activation(text(config, "hidden_act", origin), origin);
  c.rope_pairs = RopePairs::kHalf;
  c.sub_norms = bitnet;
  const auto tied = config.find("tie_word_embeddings");
  c.tied_embedding = tied != config.end() && tied->is_boolean() && tied->get<bool>();
  c.bos = token_id(config, "bos_token_id");
  c.eos = token_id(config, "eos_token_id");
  validate(c, origin);
  return c;
}

HfQuantization hf_quantization(const std::string& config_json, const std::string& origin) {
  const json config = parse_config(config_json, origin);
  const auto it = config.find("quantization_config");
  if (it == config.end() || it->is_null()) return {};
  if (!it->is_object()) throw wrong("quantization_config", origin, "an object", *it);
  const std::string method = text(*it, "quant_method", origin);
  if (method != "bitnet") throw wrong("quant_method", origin, "\"bitnet\"", method);
  const std::string linear = text_or(*it, "linear_class", origin, "bitlinear");
  if (linear != "bitlinear" && linear != "autobitlinear") {
    throw wrong("linear_class", origin, "\"bitlinear\" or \"autobitlinear\"", linear);
  }
  const std::string mode = text_or(*it, "quantization_mode", origin, "offline");
  if (mode != "offline" && mode != "online") {
    throw wrong("quantization_mode", origin, "\"offline\" or \"online\"", mode);
  }
  HfQuantization q;
  q.multiply = linear == "autobitlinear";
  q.weights =
      mode == "online" ? HfQuantization::Weights::kOnline : HfQuantization::Weights::kPacked;
  return q;
}

}  // namespace tern::engine
