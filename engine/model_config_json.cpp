// The config.json of a Hugging Face checkpoint as a ModelConfig.

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
  throw Error("'hidden_act' in config.json of " + origin +
              ": expected \"relu2\" or \"silu\", got \"" + name + "\"");
}

Graph graph_of(const std::string& model_type, const std::string& origin) {
  if (model_type == "bitnet") return Graph::kBitnet;
  if (model_type == "llama") return Graph::kLlama;
  if (model_type == "qwen2") return Graph::kQwen2;
  throw Error("'model_type' in config.json of " + origin +
              ": expected \"bitnet\", \"llama\" or \"qwen2\", got \"" + model_type + "\"");
}

// Qwen 2 can limit what its upper layers see; no published model of interest does.
void refuse_window(const json& config, const std::string& origin) {
  const auto it = config.find("use_sliding_window");
  if (it != config.end() && *it == true) throw wrong("use_sliding_window", origin, "false", *it);
}

}  // namespace

ModelConfig config_from_json(const std::string& config_json, const std::string& origin) {
  const json config = parse_config(config_json, origin);
  ModelConfig c;
  c.architecture = text(config, "model_type", origin);
  set_graph(c, graph_of(c.architecture, origin));
  c.name = text_or(config, "_name_or_path", origin, c.architecture);
  c.vocab = integer(config, "vocab_size", origin);
  c.context = integer(config, "max_position_embeddings", origin);
  c.hidden = integer(config, "hidden_size", origin);
  c.layers = integer(config, "num_hidden_layers", origin);
  c.ffn = integer(config, "intermediate_size", origin);
  c.heads = integer(config, "num_attention_heads", origin);
  c.kv_heads = integer_or(config, "num_key_value_heads", origin, c.heads);
  c.head_dim = integer_or(config, "head_dim", origin, c.heads > 0 ? c.hidden / c.heads : 0);
  const json rope = rope_parameters(config, origin);
  c.rope_theta = rope_theta(config, rope, origin);
  c.rms_eps = static_cast<float>(number(config, "rms_norm_eps", origin));
  c.activation = activation(text(config, "hidden_act", origin), origin);
  c.rope_pairs = RopePairs::kHalf;
  const auto tied = config.find("tie_word_embeddings");
  c.tied_embedding = tied != config.end() && tied->is_boolean() && tied->get<bool>();
  c.bos = token_id(config, "bos_token_id");
  c.eos = token_id(config, "eos_token_id");
  refuse_window(config, origin);
  validate(c, origin);
  c.rope_divisors = rope_divisors(rope, c.rope_theta, c.head_dim, origin);
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
