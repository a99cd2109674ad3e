// The config.json of a Hugging Face checkpoint as a ModelConfig.

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/model_config.h"
#include "engine/rope.h"

namespace tern::engine {
namespace {

using nlohmann::json;

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

// The object that says how rotations are scaled, empty when none does: "rope_parameters"
// (transformers 5, which has rope_theta there too) or "rope_scaling".
json rope_parameters(const json& config, const std::string& origin) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const auto it = config.find(key);
    if (it == config.end() || it->is_null()) continue;
    if (!it->is_object()) throw wrong(key, origin, "an object", *it);
    return *it;
  }
  return json::object();
}

// Where layers of a kind have rotations of their own: theirs. Otherwise all are alike.
json rope_of(const json& rope, const char* layer_type) {
  const auto it = rope.find(layer_type);
  return it != rope.end() && it->is_object() ? *it : rope;
}

double rope_theta(const json& config, const json& rope, const std::string& origin) {
  return number(config.contains("rope_theta") ? config : rope, "rope_theta", origin);
}

// ModelConfig::rope_divisors. `rope` names the kind of scaling "rope_type", formerly "type".
std::vector<float> rope_divisors(const json& rope, double theta, std::int64_t head_dim,
                                 const std::string& origin) {
  const std::string type =
      text_or(rope, rope.contains("rope_type") ? "rope_type" : "type", origin, "default");
  if (type == "default") return {};
  if (type == "linear") {
    const double factor = number(rope, "factor", origin);
    if (!(factor > 0)) throw wrong("factor", origin, "a positive number", rope["factor"]);
    return std::vector<float>(static_cast<std::size_t>(head_dim / 2), static_cast<float>(factor));
  }
  if (type != "llama3") {
    throw wrong("rope_type", origin, "\"default\", \"linear\" or \"llama3\"", type);
  }
  const Llama3Rope llama3{
      .factor = number(rope, "factor", origin),
      .low_freq_factor = number(rope, "low_freq_factor", origin),
      .high_freq_factor = number(rope, "high_freq_factor", origin),
      .original_context = number(rope, "original_max_position_embeddings", origin)};
  return llama3_divisors(llama3, theta, head_dim, origin);
}

Activation activation(const std::string& name, const std::string& origin) {
  if (name == "relu2") return Activation::kRelu2;
  if (name == "silu") return Activation::kSilu;
  if (name == "gelu_pytorch_tanh") return Activation::kGelu;
  throw Error("'hidden_act' in config.json of " + origin +
              ": expected \"relu2\", \"silu\" or \"gelu_pytorch_tanh\", got \"" + name + "\"");
}

// 1bitLLM's checkpoints call themselves llama, and say by these keys that their linear layers are
// ternary.
bool is_1bit_llm(const json& config) {
  return config.value("model_type", json()) == "llama" && config.contains("weight_bits");
}

Graph graph_of(const json& config, const std::string& origin) {
  const std::string model_type = text(config, "model_type", origin);
  if (is_1bit_llm(config)) return Graph::kBitnetSilu;
  if (model_type == "bitnet") return Graph::kBitnet;
  if (model_type == "llama") return Graph::kLlama;
  if (model_type == "qwen2") return Graph::kQwen2;
  if (model_type == "gemma3_text") return Graph::kGemma3;
  throw Error("'model_type' in config.json of " + origin +
              ": expected \"bitnet\", \"llama\", \"qwen2\" or \"gemma3_text\", got \"" +
              model_type + "\"");
}

// "layer_types", or every sliding_window_pattern-th layer sees all keys.
std::vector<bool> sliding_pattern(const json& config, std::int64_t layers,
                                  const std::string& origin) {
  const auto it = config.find("layer_types");
  if (it == config.end() || it->is_null()) {
    const std::int64_t period = integer_or(config, "sliding_window_pattern", origin, kGemmaPattern);
    if (period < 1) {
      throw wrong("sliding_window_pattern", origin, "at least 1", config["sliding_window_pattern"]);
    }
    return sliding_layers(layers, period);
  }
  std::vector<bool> sliding;
  for (const json& type : *it) {
    if (type != "sliding_attention" && type != "full_attention") break;
    sliding.push_back(type == "sliding_attention");
  }
  if (!it->is_array() || std::ssize(sliding) != layers || it->size() != sliding.size()) {
    throw wrong("layer_types", origin, "\"sliding_attention\" or \"full_attention\" for each layer",
                *it);
  }
  return sliding;
}

// transformers run this network in BF16, where the root is rounded (34 for 1152) and so is every
// product. It is computed in binary32 here, as in a GGUF: both containers are one network.
void set_gemma(const json& config, const std::string& origin, ModelConfig& c) {
  c.norm_offset = 1;
  c.embedding_scale = std::sqrt(static_cast<float>(c.hidden));
  c.query_scalar = number(config, "query_pre_attn_scalar", origin);
  if (!(c.query_scalar > 0)) {
    throw wrong("query_pre_attn_scalar", origin, "a positive number",
                config["query_pre_attn_scalar"]);
  }
  c.window = integer(config, "sliding_window", origin);
  c.sliding = sliding_pattern(config, c.layers, origin);
  const json rope = rope_parameters(config, origin);
  if (config.contains("rope_local_base_freq")) {
    c.sliding_rope_theta = number(config, "rope_local_base_freq", origin);
  } else if (rope.contains("sliding_attention")) {
    c.sliding_rope_theta = number(rope_of(rope, "sliding_attention"), "rope_theta", origin);
  } else {
    c.sliding_rope_theta = kGemmaSlidingTheta;
  }
  for (const char* name : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (config.contains(name) && !config[name].is_null()) {
      throw wrong(name, origin, "null", config[name]);
    }
  }
}

// Qwen 2 can limit what its upper layers see; no published model of interest does.
void refuse_window(const json& config, const std::string& origin) {
  const auto it = config.find("use_sliding_window");
  if (it != config.end() && *it == true) throw wrong("use_sliding_window", origin, "false", *it);
}

// Float masters, ternarised as they are used.
HfQuantization quantization_1bit_llm(const json& config, const std::string& origin) {
  for (const auto& [key, bits] : {std::pair("weight_bits", 1), std::pair("input_bits", 8)}) {
    if (integer(config, key, origin) == bits) continue;
    throw wrong(key, origin, std::to_string(bits).c_str(), config[key]);
  }
  return {.weights = HfQuantization::Weights::kOnline, .multiply = true};
}

}  // namespace

ModelConfig config_from_json(const std::string& config_json, const std::string& origin) {
  const json config = parse_config(config_json, origin);
  ModelConfig c;
  c.architecture = text(config, "model_type", origin);
  const Graph graph = graph_of(config, origin);
  const bool gemma = graph == Graph::kGemma3;
  set_graph(c, graph);
  c.name = text_or(config, "_name_or_path", origin, c.architecture);
  c.vocab = integer(config, "vocab_size", origin);
  c.context = integer(config, "max_position_embeddings", origin);
  c.hidden = integer(config, "hidden_size", origin);
  c.layers = integer(config, "num_hidden_layers", origin);
  c.ffn = integer(config, "intermediate_size", origin);
  c.heads = integer(config, "num_attention_heads", origin);
  c.kv_heads = integer_or(config, "num_key_value_heads", origin, c.heads);
  c.head_dim = gemma ? integer(config, "head_dim", origin)
                     : integer_or(config, "head_dim", origin, c.heads > 0 ? c.hidden / c.heads : 0);
  const json rope = rope_of(rope_parameters(config, origin), "full_attention");
  c.rope_theta = rope_theta(config, rope, origin);
  c.rms_eps = static_cast<float>(number(config, "rms_norm_eps", origin));
  const char* act = config.contains("hidden_activation") ? "hidden_activation" : "hidden_act";
  c.activation = activation(text(config, act, origin), origin);
  c.rope_pairs = RopePairs::kHalf;
  c.inner_norm_names = graph == Graph::kBitnetSilu;
  const auto tied = config.find("tie_word_embeddings");
  // Left out where it is what the class of the model has: true for Gemma.
  c.tied_embedding = tied != config.end() && tied->is_boolean() ? tied->get<bool>() : gemma;
  c.bos = token_id(config, "bos_token_id");
  c.eos = token_id(config, "eos_token_id");
  refuse_window(config, origin);
  validate(c, origin);  // before what follows computes with it
  if (gemma) {
    set_gemma(config, origin, c);
    validate(c, origin);
  }
  c.rope_divisors = rope_divisors(rope, c.rope_theta, c.head_dim, origin);
  return c;
}

HfQuantization hf_quantization(const std::string& config_json, const std::string& origin) {
  const json config = parse_config(config_json, origin);
  const auto it = config.find("quantization_config");
  if (it == config.end() || it->is_null()) {
    return is_1bit_llm(config) ? quantization_1bit_llm(config, origin) : HfQuantization{};
  }
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
