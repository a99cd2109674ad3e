#pragma once
// Writes the network of a small GGUF model once more, as a Hugging Face folder: other names, rows
// of q and k in another order, norms without Gemma's 1, trits packed the other way. Both must load
// as the same network.

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/formats/blocks.h"
#include "engine/formats/gguf.h"
#include "engine/model_config.h"
#include "engine/tensor_names.h"
#include "tests/engine/container_bytes.h"

namespace tern::tests {

class HuggingFaceWriter {
 public:
  HuggingFaceWriter(const std::filesystem::path& gguf, const std::filesystem::path& folder)
      : file_(gguf), c_(engine::config_from_gguf(file_)), folder_(folder) {}

  // Keys of `more` are added to config.json, or replace what it has.
  void write(const nlohmann::json& more = nlohmann::json::object()) {
    using engine::LayerRole;
    model_tensor(engine::ModelRole::kEmbedding);
    model_tensor(engine::ModelRole::kOutputNorm);
    if (!c_.tied_embedding) model_tensor(engine::ModelRole::kOutput);
    for (std::int64_t layer = 0; layer < c_.layers; ++layer) {
      for (int role = 0; role <= static_cast<int>(LayerRole::kPostFfnNorm); ++role) {
        layer_tensor(layer, static_cast<LayerRole>(role));
      }
    }
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "model.safetensors", std::ios::binary)
        << safetensors_bytes(header_.dump(), data_);
    nlohmann::json config = config_json();
    config.update(more);
    std::ofstream(folder_ / "config.json") << config.dump();
  }

 private:
  using Floats = std::vector<float>;

  bool gemma() const { return c_.post_norms; }
  engine::Container names() const {
    if (gemma()) return engine::Container::kHuggingFaceGemma;
    return c_.architecture == "bitnet" ? engine::Container::kHuggingFace1bitLlm
                                       : engine::Container::kHuggingFace;
  }

  nlohmann::json config_json() const {
    const char* act = c_.activation == engine::Activation::kRelu2  ? "relu2"
                      : c_.activation == engine::Activation::kSilu ? "silu"
                                                                   : "gelu_pytorch_tanh";
    nlohmann::json config = {{"model_type", c_.architecture},
                             {gemma() ? "hidden_activation" : "hidden_act", act},
                             {"vocab_size", c_.vocab},
                             {"max_position_embeddings", c_.context},
                             {"hidden_size", c_.hidden},
                             {"num_hidden_layers", c_.layers},
                             {"intermediate_size", c_.ffn},
                             {"num_attention_heads", c_.heads},
                             {"num_key_value_heads", c_.kv_heads},
                             {"head_dim", c_.head_dim},
                             {"rope_theta", c_.rope_theta},
                             {"rms_norm_eps", c_.rms_eps},
                             {"tie_word_embeddings", c_.tied_embedding}};
    if (c_.architecture == "bitnet") {
      config.update({{"model_type", "llama"}, {"weight_bits", 1}, {"input_bits", 8}});
    }
    if (!gemma()) return config;
    config.update({{"model_type", "gemma3_text"},
                   {"query_pre_attn_scalar", c_.head_dim},
                   {"sliding_window", c_.window},
                   {"rope_local_base_freq", c_.sliding_rope_theta}});
    for (std::int64_t layer = 0; layer < c_.layers; ++layer) {
      config["layer_types"].push_back(c_.slides(layer) ? "sliding_attention" : "full_attention");
    }
    return config;
  }

  void add(const std::string& name, const char* type, const std::vector<std::int64_t>& shape,
           const std::string& bytes) {
    const auto begin = data_.size();
    data_ += bytes;
    header_[name] = {{"dtype", type}, {"shape", shape}, {"data_offsets", {begin, data_.size()}}};
  }

  static std::string raw(const Floats& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
  }

  // All types but trits become F32.
  void tensor(const engine::TensorView& t, const std::string& name, bool permuted) {
    if (t.type == engine::DType::kI2S) return packed(t, name, permuted);
    const std::int64_t cols = t.shape.back();
    const bool norm = t.shape.size() == 1 && t.name.ends_with("norm.weight");
    Floats all, row(static_cast<std::size_t>(cols));
    for (std::int64_t r = 0; r < t.elements() / cols; ++r) {
      engine::decode_row(t, permuted ? stored_row(r) : r, row.data());
      for (const float v : row) all.push_back(norm && gemma() ? v - 1 : v);
    }
    add(name, "F32", t.shape, raw(all));
  }

  // Row r of a checkpoint lies there in a GGUF whose pairs are neighbours.
  std::int64_t stored_row(std::int64_t r) const {
    const std::int64_t half = c_.head_dim / 2;
    const std::int64_t in_head = r % c_.head_dim;
    return r - in_head + 2 * (in_head % half) + in_head / half;
  }

  void packed(const engine::TensorView& t, const std::string& name, bool permuted) {
    const std::int64_t rows = t.shape[0], cols = t.shape[1];
    std::string bytes(static_cast<std::size_t>(rows / 4 * cols), '\0');
    std::vector<std::int8_t> row(static_cast<std::size_t>(cols));
    for (std::int64_t r = 0; r < rows; ++r) {
      engine::decode_trits(t, permuted ? stored_row(r) : r, row.data());
      for (std::int64_t c = 0; c < cols; ++c) {
        const int code = row[static_cast<std::size_t>(c)] + 1;
        bytes[static_cast<std::size_t>(r % (rows / 4) * cols + c)] |=
            static_cast<char>(code << (2 * (r / (rows / 4))));
      }
    }
    add(name, "U8", {rows / 4, cols}, bytes);
    add(name + "_scale", "F32", {1}, raw({engine::ternary_scale(t)}));
  }

  void model_tensor(engine::ModelRole role) {
    tensor(*file_.find(tensor_name(engine::Container::kGguf, role)), tensor_name(names(), role),
           false);
  }

  void layer_tensor(std::int64_t layer, engine::LayerRole role) {
    using engine::Container;
    const bool rotated = role == engine::LayerRole::kQ || role == engine::LayerRole::kK;
    const bool permuted = rotated && c_.rope_pairs == engine::RopePairs::kInterleaved;
    if (const auto* t = file_.find(tensor_name(Container::kGguf, layer, role))) {
      tensor(*t, tensor_name(names(), layer, role), permuted);
    }
    if (const auto* t = file_.find(bias_name(Container::kGguf, layer, role))) {
      tensor(*t, bias_name(names(), layer, role), false);
    }
  }

  engine::GgufFile file_;
  engine::ModelConfig c_;
  std::filesystem::path folder_;
  nlohmann::json header_ = nlohmann::json::object();
  std::string data_;
};

}  // namespace tern::tests
