#pragma once
// Writes small random GGUF models of the ternary architectures, for tests that must not depend on
// files from elsewhere. Shapes are chosen to be awkward: grouped heads, a feed-forward size that is
// no multiple of 256, scales that are not exact in binary16.

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/formats/blocks.h"
#include "engine/formats/gguf_writer.h"
#include "engine/model_config.h"
#include "engine/tensor_names.h"
#include "kernels/float16.h"

namespace tern::tests {

struct TinyModel {
  // Or "llama": SiLU, interleaved RoPE, no sub-norms, own head; "qwen2": the same with biases and
  // RoPE by halves; "gemma3": GELU, norms of queries, keys and branches, sliding windows;
  // "bitnet": SiLU, else as bitnet-b1.58.
  std::string architecture = "bitnet-b1.58";
  std::int64_t hidden = 256, layers = 2, heads = 4, kv_heads = 2, head_dim = 64, ffn = 384,
               vocab = 331;
  std::int64_t context = 512;
  engine::DType linear_type =
      engine::DType::kI2S;  // q8_0, q4_0, q5_0, q6_k, q4_k: random blocks, no trits
  engine::DType table_type = engine::DType::kF16;  // of the embedding and the head
  std::int64_t window = 16, window_period = 2;     // of gemma3
  std::optional<bool> own_head;                    // as the architecture has it
  bool output_scales = false;  // tensors that multiply the outputs of the linear layers
  bool rope_divisors = false;  // the tensor rope_freqs.weight
  bool decoded = false;        // write what is made as blocks as the F32 it stands for
  unsigned seed = 2;
};

// Hooks that spoil a model on purpose.
struct TinyHooks {
  std::function<bool(const std::string& key)> skip_key = [](const std::string&) { return false; };
  std::function<bool(const std::string& tensor)> skip_tensor = [](const std::string&) {
    return false;
  };
  std::vector<std::pair<std::string, double>> extra_numbers;     // keys without the architecture
  std::vector<std::pair<std::string, std::string>> extra_texts;  // the same
  std::string extra_tensor;  // an F32 tensor of one element under this name
  std::function<void(const std::string& tensor, std::vector<std::byte>& bytes)> spoil;
  std::string half_tensor;  // linear layers whose name contains this are written as F16
};

class TinyModelWriter {
 public:
  TinyModelWriter(const std::filesystem::path& path, const TinyModel& model, TinyHooks hooks = {})
      : writer_(path), model_(model), hooks_(std::move(hooks)), random_(model.seed) {}

  void write() {
    metadata();
    plan();
    for (const Tensor& t : tensors_) writer_.declare_tensor(t.name, t.type, t.shape);
    for (const Tensor& t : tensors_) writer_.write(t.bytes);
    writer_.finish();
  }

 private:
  struct Tensor {
    std::string name;
    engine::DType type;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> bytes;
  };

  bool bitnet() const { return model_.architecture.starts_with("bitnet"); }
  bool qwen2() const { return model_.architecture == "qwen2"; }
  bool gemma3() const { return model_.architecture == "gemma3"; }
  bool own_head() const { return model_.own_head.value_or(!bitnet() && !gemma3()); }

  void set(const std::string& key, const engine::GgufValue& value) {
    if (!hooks_.skip_key(key)) writer_.set(key, value);
  }

  void metadata() {
    const std::string a = model_.architecture + ".";
    const auto u = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
    set("general.architecture", model_.architecture);
    set(a + "context_length", u(model_.context));
    set(a + "embedding_length", u(model_.hidden));
    set(a + "block_count", u(model_.layers));
    set(a + "feed_forward_length", u(model_.ffn));
    set(a + "attention.head_count", u(model_.heads));
    set(a + "attention.head_count_kv", u(model_.kv_heads));
    set(a + "attention.key_length", u(model_.head_dim));
    set(a + "rope.dimension_count", u(model_.head_dim));
    set(a + "attention.layer_norm_rms_epsilon", 1e-5);
    set(a + "rope.freq_base", 10000.0);
    if (gemma3()) {
      set(a + "attention.sliding_window", u(model_.window));
      set(a + "attention.sliding_window_pattern", u(model_.window_period));
    }
    for (const auto& [key, value] : hooks_.extra_numbers) set(a + key, value);
    for (const auto& [key, value] : hooks_.extra_texts) set(a + key, value);
  }

  void add(const std::string& name, engine::DType type, std::vector<std::int64_t> shape,
           std::vector<std::byte> bytes) {
    if (hooks_.spoil) hooks_.spoil(name, bytes);
    if (!hooks_.skip_tensor(name))
      tensors_.push_back({name, type, std::move(shape), std::move(bytes)});
  }

  template <class T>
  static std::vector<std::byte> raw(const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return {bytes.begin(), bytes.end()};
  }

  float uniform(float low, float high) {
    return low + (high - low) * (static_cast<float>(random_() >> 8) / 16777216.0f);
  }

  void floats(const std::string& name, std::int64_t n, float low, float high) {
    std::vector<float> w(static_cast<std::size_t>(n));
    for (float& value : w) value = uniform(low, high);
    add(name, engine::DType::kF32, {n}, raw(w));
  }

  void norm(const std::string& name, std::int64_t n) { floats(name, n, 0.5f, 1.5f); }

  void bias(std::int64_t layer, engine::LayerRole role, std::int64_t n) {
    floats(bias_name(engine::Container::kGguf, layer, role), n, -1, 1);
  }

  void half(const std::string& name, std::int64_t rows, std::int64_t cols) {
    std::vector<std::uint16_t> w(static_cast<std::size_t>(rows * cols));
    for (auto& value : w) value = kernels::f32_to_f16(uniform(-1, 1));
    add(name, engine::DType::kF16, {rows, cols}, raw(w));
  }

  static bool is_block(engine::DType type) {
    return type == engine::DType::kQ8_0 || type == engine::DType::kQ4_0 ||
           type == engine::DType::kQ6_K || type == engine::DType::kQ4_K ||
           type == engine::DType::kQ5_0;
  }

  // Bytes of a block, where its binary16 scale lies, and the spread of random codes times their
  // sub-scales.
  struct BlockScale {
    std::size_t size, scale_at;
    float spread;
  };
  static BlockScale block_scale(engine::DType type) {
    if (type == engine::DType::kQ8_0) return {34, 0, 74.0f};
    if (type == engine::DType::kQ4_0) return {18, 0, 4.6f};
    if (type == engine::DType::kQ5_0) return {22, 0, 9.2f};
    if (type == engine::DType::kQ4_K) return {144, 0, 36.0f * 4.6f};
    return {210, 208, 18.0f * 74.0f};
  }

  // Random codes, which no quantiser would produce, and block scales around `scale` over their
  // spread.
  void blocks(const std::string& name, engine::DType type, std::int64_t rows, std::int64_t cols,
              float scale) {
    using engine::DType;
    const std::int64_t shape[] = {rows, cols};
    std::vector<std::byte> bytes(static_cast<std::size_t>(engine::tensor_bytes(type, shape)));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_() >> 24);
    const BlockScale block = block_scale(type);
    for (std::size_t at = 0; at < bytes.size(); at += block.size) {
      const float unit = scale * uniform(0.5f, 1.5f) / block.spread;
      const std::uint16_t d = kernels::f32_to_f16(unit);
      std::memcpy(bytes.data() + at + block.scale_at, &d, sizeof d);
      // A minimum takes away about what codes and sub-scales have on average.
      const std::uint16_t dmin = kernels::f32_to_f16(7.5f * unit);
      if (type == DType::kQ4_K) std::memcpy(bytes.data() + at + 2, &dmin, sizeof dmin);
    }
    if (!model_.decoded) return add(name, type, {rows, cols}, std::move(bytes));
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    const engine::TensorView view{name, type, {rows, cols}, bytes};
    for (std::int64_t r = 0; r < rows; ++r) engine::decode_row(view, r, values.data() + r * cols);
    add(name, DType::kF32, {rows, cols}, raw(values));
  }

  void table(const std::string& name, std::int64_t rows, std::int64_t cols) {
    if (is_block(model_.table_type)) return blocks(name, model_.table_type, rows, cols, 0.5f);
    half(name, rows, cols);
  }

  void linear(const std::string& name, std::int64_t rows, std::int64_t cols) {
    if (is_block(model_.linear_type)) {
      const float scale = 1.0f / std::sqrt(static_cast<float>(cols));
      return blocks(name, model_.linear_type, rows, cols, scale);
    }
    std::vector<std::int8_t> trits(static_cast<std::size_t>(rows * cols));
    for (auto& t : trits) t = static_cast<std::int8_t>(static_cast<int>(random_() >> 16) % 3 - 1);
    const float scale = uniform(0.8f, 1.2f) / std::sqrt(static_cast<float>(cols));
    std::vector<std::byte> bytes;
    const bool as_half =
        !hooks_.half_tensor.empty() && name.find(hooks_.half_tensor) != std::string::npos;
    const engine::DType type = as_half ? engine::DType::kF16 : model_.linear_type;
    if (type == engine::DType::kI2S) {
      bytes.resize(trits.size() / 4 + 32);
      engine::encode_i2s_codes(trits, bytes.data());
      engine::i2s_tail(scale, bytes.data() + trits.size() / 4);
    } else if (type == engine::DType::kTq2_0) {
      bytes.resize(trits.size() / 256 * 66);
      engine::encode_tq2_0(trits, scale, bytes.data());
    } else {
      std::vector<std::uint16_t> w(trits.size());
      for (std::size_t i = 0; i < w.size(); ++i) {
        w[i] = kernels::f32_to_f16(static_cast<float>(trits[i]) * scale);
      }
      bytes = raw(w);
    }
    add(name, type, {rows, cols}, std::move(bytes));
  }

  void plan() {
    using engine::Container;
    using engine::LayerRole;
    using engine::ModelRole;
    const auto& m = model_;
    const std::int64_t q = m.heads * m.head_dim;
    const std::int64_t kv = m.kv_heads * m.head_dim;
    table(tensor_name(Container::kGguf, ModelRole::kEmbedding), m.vocab, m.hidden);
    norm(tensor_name(Container::kGguf, ModelRole::kOutputNorm), m.hidden);
    if (own_head()) table(tensor_name(Container::kGguf, ModelRole::kOutput), m.vocab, m.hidden);
    for (std::int64_t layer = 0; layer < m.layers; ++layer) {
      const auto name = [&](LayerRole role) { return tensor_name(Container::kGguf, layer, role); };
      norm(name(LayerRole::kAttnNorm), m.hidden);
      norm(name(LayerRole::kFfnNorm), m.hidden);
      if (bitnet()) norm(name(LayerRole::kAttnSubNorm), q);
      if (bitnet()) norm(name(LayerRole::kFfnSubNorm), m.ffn);
      if (gemma3()) {
        norm(name(LayerRole::kQNorm), m.head_dim);
        norm(name(LayerRole::kKNorm), m.head_dim);
        norm(name(LayerRole::kPostAttnNorm), m.hidden);
        norm(name(LayerRole::kPostFfnNorm), m.hidden);
      }
      linear(name(LayerRole::kQ), q, m.hidden);
      linear(name(LayerRole::kK), kv, m.hidden);
      linear(name(LayerRole::kV), kv, m.hidden);
      if (qwen2()) {
        bias(layer, LayerRole::kQ, q);
        bias(layer, LayerRole::kK, kv);
        bias(layer, LayerRole::kV, kv);
      }
      linear(name(LayerRole::kO), m.hidden, q);
      linear(name(LayerRole::kGate), m.ffn, m.hidden);
      linear(name(LayerRole::kUp), m.ffn, m.hidden);
      linear(name(LayerRole::kDown), m.hidden, m.ffn);
      for (int role = 0; m.output_scales && role < engine::kLayerMatrices; ++role) {
        floats(engine::scale_name(layer, static_cast<LayerRole>(role)), 1, 0.5f, 2);
      }
    }
    if (m.rope_divisors) floats(engine::kRopeDivisors, m.head_dim / 2, 1, 32);
    if (!hooks_.extra_tensor.empty()) {
      add(hooks_.extra_tensor, engine::DType::kF32, {1}, raw(std::vector<float>{1.0f}));
    }
  }

  engine::GgufWriter writer_;
  TinyModel model_;
  TinyHooks hooks_;
  std::mt19937 random_;
  std::vector<Tensor> tensors_;
};

inline void write_tiny(const std::filesystem::path& path, const TinyModel& model,
                       TinyHooks hooks = {}) {
  TinyModelWriter(path, model, std::move(hooks)).write();
}

}  // namespace tern::tests
