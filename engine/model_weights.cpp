#include "engine/model_weights.h"

#include <algorithm>
#include <bit>

#include "engine/error.h"
#include "engine/formats/block_encoders.h"
#include "engine/synthetic.h"
#include "engine/thread_pool.h"
#include "engine/weight_memory.h"
#include "engine/weight_reader.h"
#include "kernels/float16.h"

namespace tern::engine {
namespace {

std::int64_t matrix_bytes(const LayerWeights& l) {
  return bytes(l.q) + bytes(l.k) + bytes(l.v) + bytes(l.o) + bytes(l.gate) + bytes(l.up) +
         bytes(l.down);
}

std::int64_t float_bytes(const std::vector<float>& v) {
  return static_cast<std::int64_t>(v.size() * sizeof(float));
}

// Applies make(role, rows, cols) to the seven matrices of a layer.
template <class Make>
LayerWeights make_layer(const ModelConfig& c, Make&& make) {
  return LayerWeights{
      .q = make(LayerRole::kQ, c.q_dim(), c.hidden),
      .k = make(LayerRole::kK, c.kv_dim(), c.hidden),
      .v = make(LayerRole::kV, c.kv_dim(), c.hidden),
      .o = make(LayerRole::kO, c.hidden, c.q_dim()),
      .gate = make(LayerRole::kGate, c.ffn, c.hidden),
      .up = make(LayerRole::kUp, c.ffn, c.hidden),
      .down = make(LayerRole::kDown, c.hidden, c.ffn),
  };
}

SharedWeights::LayerNorms read_norms(WeightReader& reader, const ModelConfig& c,
                                     std::int64_t layer) {
  SharedWeights::LayerNorms n;
  n.attn = reader.layer_norm(layer, LayerRole::kAttnNorm, c.hidden);
  n.ffn = reader.layer_norm(layer, LayerRole::kFfnNorm, c.hidden);
  if (c.sub_norms) {
    n.attn_sub = reader.layer_norm(layer, LayerRole::kAttnSubNorm, c.q_dim());
    n.ffn_sub = reader.layer_norm(layer, LayerRole::kFfnSubNorm, c.ffn);
  }
  if (c.qk_norms) {
    n.q = reader.layer_norm(layer, LayerRole::kQNorm, c.head_dim);
    n.k = reader.layer_norm(layer, LayerRole::kKNorm, c.head_dim);
  }
  if (c.post_norms) {
    n.post_attn = reader.layer_norm(layer, LayerRole::kPostAttnNorm, c.hidden);
    n.post_ffn = reader.layer_norm(layer, LayerRole::kPostFfnNorm, c.hidden);
  }
  return n;
}

SharedWeights::LayerBiases read_biases(WeightReader& reader, const ModelConfig& c,
                                       std::int64_t layer) {
  return {.q = reader.layer_bias(layer, LayerRole::kQ, c.q_dim()),
          .k = reader.layer_bias(layer, LayerRole::kK, c.kv_dim()),
          .v = reader.layer_bias(layer, LayerRole::kV, c.kv_dim())};
}

void add_greedy_head(SharedWeights& shared, const std::string& origin,
                     const kernels::KernelTable& table, ThreadPool& pool) {
  const auto* head = std::get_if<HalfLinear>(&shared.head());
  if (head == nullptr) {
    throw Error("greedy head of " + origin +
                ": expected an output head of f32, f16 or bf16, got one quantised in blocks");
  }
  shared.greedy_head = std::make_unique<GreedyHead>(*head, table, pool);
}

void check_skip_zeros(const ModelConfig& c, const std::string& origin) {
  if (c.activation == Activation::kRelu2) return;
  throw Error("skipping zeros of " + origin +
              ": expected squared ReLU as the activation, got one that makes no exact zeros");
}

void add_sparse(LayerWeights& layer, const std::string& origin, const kernels::KernelTable& table,
                ThreadPool& pool) {
  const auto* up = std::get_if<TernaryLinear>(&layer.up);
  const auto* down = std::get_if<TernaryLinear>(&layer.down);
  if (up == nullptr || down == nullptr || !is_ternary(layer.gate)) {
    throw Error("skipping zeros of " + origin +
                ": expected ternary linear layers, got layers of another type");
  }
  layer.sparse = make_sparse_ffn(*up, *down, table, pool);
}

// A requantised head serves the embedding too where both are one matrix.
template <class File>
ModelWeights read(const File& file, WeightReader& reader, const ModelConfig& c,
                  const WeightChoices& choices, const kernels::KernelTable& table,
                  ThreadPool& pool) {
  if (choices.skip_zeros) check_skip_zeros(c, file.origin());
  const bool tied = c.tied_embedding;
  const HeadType head = choices.head;
  auto shared = std::make_shared<SharedWeights>(
      SharedWeights{.embedding = reader.model_matrix(ModelRole::kEmbedding, c.vocab, c.hidden,
                                                     tied ? head : HeadType::kStored),
                    .output = nullptr,
                    .output_norm = reader.model_norm(ModelRole::kOutputNorm, c.hidden),
                    .norms = {},
                    .biases = {},
                    .greedy_head = nullptr});
  if (!tied) {
    shared->output = std::make_unique<Embedding>(
        reader.model_matrix(ModelRole::kOutput, c.vocab, c.hidden, head));
  }
  if (choices.greedy_head) add_greedy_head(*shared, file.origin(), table, pool);
  ModelWeights weights;
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    file.drop_pages();  // of what was packed before
    shared->norms.push_back(read_norms(reader, c, layer));
    if (c.qkv_bias) shared->biases.push_back(read_biases(reader, c, layer));
    weights.layers.push_back(
        make_layer(c, [&](LayerRole role, std::int64_t rows, std::int64_t cols) -> Linear {
          return reader.layer_matrix(layer, role, rows, cols);
        }));
    if (choices.skip_zeros) add_sparse(weights.layers.back(), file.origin(), table, pool);
  }
  weights.shared = std::move(shared);
  return weights;
}

}  // namespace

std::int64_t ModelWeights::layer_bytes() const noexcept {
  std::int64_t sum = 0;
  for (const LayerWeights& layer : layers) sum += matrix_bytes(layer);
  return sum;
}

std::int64_t ModelWeights::head_bytes() const noexcept { return bytes(shared->head()); }

std::int64_t ModelWeights::greedy_head_bytes() const noexcept {
  return shared->greedy_head ? shared->greedy_head->bytes() : 0;
}

std::int64_t ModelWeights::up_down_bytes() const noexcept {
  std::int64_t sum = 0;
  for (const LayerWeights& l : layers) sum += bytes(l.up) + bytes(l.down);
  return sum;
}

std::int64_t ModelWeights::sparse_bytes() const noexcept {
  std::int64_t sum = 0;
  for (const LayerWeights& l : layers) sum += l.sparse ? l.sparse->bytes() : 0;
  return sum;
}

std::int64_t ModelWeights::norm_bytes() const noexcept {
  std::int64_t sum = float_bytes(shared->output_norm);
  for (const auto& n : shared->norms) {
    for (const auto* w :
         {&n.attn, &n.attn_sub, &n.ffn, &n.ffn_sub, &n.q, &n.k, &n.post_attn, &n.post_ffn}) {
      sum += float_bytes(*w);
    }
  }
  for (const auto& b : shared->biases)
    sum += float_bytes(b.q) + float_bytes(b.k) + float_bytes(b.v);
  return sum;
}

std::int64_t ModelWeights::total_bytes() const noexcept {
  return layer_bytes() + norm_bytes() + bytes(shared->embedding) +
         (shared->output ? bytes(*shared->output) : 0) + greedy_head_bytes() + sparse_bytes();
}

bool ModelWeights::ternary() const noexcept {
  const auto all_ternary = [](const LayerWeights& l) {
    return is_ternary(l.q) && is_ternary(l.k) && is_ternary(l.v) && is_ternary(l.o) &&
           is_ternary(l.gate) && is_ternary(l.up) && is_ternary(l.down);
  };
  return !layers.empty() && std::all_of(layers.begin(), layers.end(), all_ternary);
}

namespace {

Container names_of(const ModelConfig& c) {
  if (c.post_norms) return Container::kHuggingFaceGemma;
  return c.inner_norm_names ? Container::kHuggingFace1bitLlm : Container::kHuggingFace;
}

}  // namespace

ModelWeights load_weights(const GgufFile& file, const ModelConfig& config,
                          const WeightChoices& choices, const kernels::KernelTable& table,
                          ThreadPool& pool) {
  WeightReader reader(
      Container::kGguf, file.origin(), [&](const std::string& name) { return file.find(name); }, {},
      config.norm_offset, table, choices.ternary_bits, pool);
  reader.ignore(kRopeDivisors);  // part of the configuration
  ModelWeights weights = read(file, reader, config, choices, table, pool);
  reader.refuse_leftovers(file.tensors());
  return weights;
}

ModelWeights load_weights(const SafetensorsFile& file, const ModelConfig& config,
                          const WeightChoices& choices, const kernels::KernelTable& table,
                          ThreadPool& pool) {
  WeightReader reader(
      names_of(config), file.origin(), [&](const std::string& name) { return file.find(name); },
      hf_quantization(file.config_json(), file.origin()), config.norm_offset, table,
      choices.ternary_bits, pool);
  // A tied checkpoint may carry a copy of the embedding as its head.
  if (config.tied_embedding)
    reader.ignore(tensor_name(Container::kHuggingFace, ModelRole::kOutput));
  ModelWeights weights = read(file, reader, config, choices, table, pool);
  reader.refuse_leftovers(file.tensors());
  return weights;
}

namespace {

Embedding synthetic_embedding(const ModelConfig& c, std::uint64_t seed, HeadType head,
                              const kernels::KernelTable& table, ThreadPool& pool,
                              WeightMemory& memory) {
  const auto half_row = [&](std::int64_t row, std::uint16_t* out) {
    synthetic_embedding_row(seed, row, c.hidden, out);
  };
  if (head == HeadType::kStored) {
    return HalfLinear(
        table, kernels::HalfType::kF16, c.vocab, c.hidden, 1.0f,
        [&](std::int64_t row, void* out) { half_row(row, static_cast<std::uint16_t*>(out)); }, pool,
        &memory);
  }
  return requantized(
      head, "synth:" + c.name, table, c.vocab, c.hidden,
      [&](std::int64_t row, float* out) {
        std::vector<std::uint16_t> half(static_cast<std::size_t>(c.hidden));
        half_row(row, half.data());
        std::transform(half.begin(), half.end(), out, kernels::f16_to_f32);
      },
      pool, memory);
}

}  // namespace

ModelWeights make_weights(const SyntheticShape& shape, std::uint64_t seed,
                          const WeightChoices& choices, const kernels::KernelTable& table,
                          ThreadPool& pool) {
  const ModelConfig c = config_of(shape);
  WeightMemory memory;
  const auto ones = [](std::int64_t n) {
    return std::vector<float>(static_cast<std::size_t>(n), 1.0f);
  };
  auto shared = std::make_shared<SharedWeights>(
      SharedWeights{.embedding = synthetic_embedding(c, seed, choices.head, table, pool, memory),
                    .output = nullptr,
                    .output_norm = ones(c.hidden),
                    .norms = {},
                    .biases = {},
                    .greedy_head = nullptr});
  if (choices.greedy_head) add_greedy_head(*shared, "synth:" + c.name, table, pool);
  ModelWeights weights;
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    shared->norms.push_back({.attn = ones(c.hidden),
                             .attn_sub = ones(c.q_dim()),
                             .ffn = ones(c.hidden),
                             .ffn_sub = ones(c.ffn),
                             .q = {},
                             .k = {},
                             .post_attn = {},
                             .post_ffn = {}});
    weights.layers.push_back(
        make_layer(c, [&](LayerRole role, std::int64_t rows, std::int64_t cols) -> Linear {
          return TernaryLinear(
              ternary_kernels(table, choices.ternary_bits), rows, cols, synthetic_scale(cols),
              [&](std::int64_t row, std::int8_t* out) {
                synthetic_trits(shape, seed, layer, role, row, cols, out);
              },
              pool, &memory);
        }));
    if (choices.skip_zeros) add_sparse(weights.layers.back(), "synth:" + c.name, table, pool);
  }
  weights.shared = std::move(shared);
  return weights;
}

namespace {

bool is_half(TwinType type) noexcept { return type == TwinType::kF16 || type == TwinType::kBf16; }

kernels::HalfType half_type(TwinType type) noexcept {
  return type == TwinType::kF16 ? kernels::HalfType::kF16 : kernels::HalfType::kBf16;
}

HalfLinear half_of(const TernaryLinear& w, TwinType type, const kernels::KernelTable& table,
                   ThreadPool& pool, WeightMemory& memory) {
  const auto half_bits = [&](float value) {
    // BF16 is the upper half of binary32, exact for -1 and 1.
    return type == TwinType::kF16
               ? kernels::f32_to_f16(value)
               : static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
  };
  const std::uint16_t values[3] = {half_bits(-1.0f), 0, half_bits(1.0f)};
  return HalfLinear(
      table, half_type(type), w.rows(), w.cols(), w.scale(),
      [&](std::int64_t row, void* out) {
        std::vector<std::int8_t> trits(static_cast<std::size_t>(w.cols()));
        w.unpack_row(row, trits.data());
        auto* half = static_cast<std::uint16_t*>(out);
        for (std::size_t c = 0; c < trits.size(); ++c) half[c] = values[trits[c] + 1];
      },
      pool, &memory);
}

// BF16 instructions of the CPU have sums of their own, in which zeros may count.
bool can_skip(TwinType type, const kernels::KernelTable& table) noexcept {
  return type == TwinType::kF16 || (type == TwinType::kBf16 && table.half.exact);
}

kernels::BlockType block_type(TwinType type) noexcept {
  return type == TwinType::kQ8_0 ? kernels::BlockType::kQ8_0 : kernels::BlockType::kQ4_0;
}

BlockLinear blocks_of(const TernaryLinear& w, TwinType type, const kernels::KernelTable& table,
                      ThreadPool& pool, WeightMemory& memory) {
  if (w.cols() % kernels::kQuantBlock != 0) {
    throw Error(std::string(name(type)) + " twin: expected matrices with columns in multiples of " +
                std::to_string(kernels::kQuantBlock) + ", got " + std::to_string(w.cols()));
  }
  const DType stored = type == TwinType::kQ8_0 ? DType::kQ8_0 : DType::kQ4_0;
  return BlockLinear(
      table, block_type(type), w.rows(), w.cols(), w.scale(),
      [&](std::int64_t row, std::byte* out) {
        std::vector<std::int8_t> trits(static_cast<std::size_t>(w.cols()));
        w.unpack_row(row, trits.data());
        encode_block_trits(stored, trits, 1.0f, out);
      },
      pool, &memory);
}

}  // namespace

std::vector<LayerWeights> twin_layers(const ModelWeights& ternary, TwinType type,
                                      const kernels::KernelTable& table, ThreadPool& pool) {
  WeightMemory memory;
  const auto twin = [&](const Linear& w) -> Linear {
    const auto& trits = std::get<TernaryLinear>(w);
    if (is_half(type)) return half_of(trits, type, table, pool, memory);
    return blocks_of(trits, type, table, pool, memory);
  };
  std::vector<LayerWeights> layers;
  for (const LayerWeights& l : ternary.layers) {
    layers.push_back({.q = twin(l.q),
                      .k = twin(l.k),
                      .v = twin(l.v),
                      .o = twin(l.o),
                      .gate = twin(l.gate),
                      .up = twin(l.up),
                      .down = twin(l.down)});
    if (l.sparse == nullptr || !can_skip(type, table)) continue;
    LayerWeights& made = layers.back();
    made.sparse = make_sparse_ffn(std::get<HalfLinear>(made.up), std::get<HalfLinear>(made.down),
                                  table, pool);
  }
  return layers;
}

std::int64_t twin_layers_bytes(const ModelWeights& ternary, TwinType type,
                               const kernels::KernelTable& table) noexcept {
  std::int64_t sum = 0;
  const auto add = [&](const Linear& w) {
    sum += static_cast<std::int64_t>(
        is_half(type) ? table.half.packed_bytes(half_type(type), rows(w), cols(w))
                      : table.block.packed_bytes(block_type(type), rows(w), cols(w)));
  };
  for (const LayerWeights& l : ternary.layers) {
    for (const Linear* w : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) add(*w);
    if (l.sparse != nullptr && can_skip(type, table)) {
      sum += sparse_half_bytes(rows(l.up), cols(l.up));
    }
  }
  return sum;
}

}  // namespace tern::engine
