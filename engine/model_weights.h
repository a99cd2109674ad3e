#pragma once
// The meaning of tensor names: which tensor plays which role, whether its shape is right, and how
// it becomes a packed matrix. Immutable after loading.

#include <memory>
#include <string>
#include <vector>

#include "engine/formats/gguf.h"
#include "engine/formats/safetensors.h"
#include "engine/greedy_head.h"
#include "engine/linear.h"
#include "engine/model_config.h"
#include "engine/sparse_ffn.h"
#include "engine/weight_choices.h"

namespace tern::engine {

struct SyntheticShape;

struct LayerWeights {
  Linear q, k, v, o;  // (heads * head_dim, hidden), (kv_heads * head_dim, hidden) twice, (hidden,
                      // heads * head_dim)
  Linear gate, up, down;                        // (ffn, hidden) twice, (hidden, ffn)
  std::unique_ptr<SparseFfn> sparse = nullptr;  // null: not asked for
};

// What the twin of a ternary model shares with it.
struct SharedWeights {
  Embedding embedding;                // (vocab, hidden)
  std::unique_ptr<Embedding> output;  // (vocab, hidden); null: tied to the embedding
  std::vector<float> output_norm;     // (hidden)
  struct LayerNorms {
    std::vector<float> attn;                 // (hidden)
    std::vector<float> attn_sub;             // (heads * head_dim), empty without sub-norms
    std::vector<float> ffn;                  // (hidden)
    std::vector<float> ffn_sub;              // (ffn), empty without sub-norms
    std::vector<float> q, k;                 // (head_dim), empty without norms of queries and keys
    std::vector<float> post_attn, post_ffn;  // (hidden), empty without post-norms
  };
  std::vector<LayerNorms> norms;  // (layers)
  struct LayerBiases {
    std::vector<float> q, k, v;  // (heads * head_dim), (kv_heads * head_dim) twice
  };
  std::vector<LayerBiases> biases;          // (layers), empty without biases
  std::unique_ptr<GreedyHead> greedy_head;  // null: not asked for; else head() holds a HalfLinear

  const Embedding& head() const noexcept { return output ? *output : embedding; }
};

struct ModelWeights {
  std::shared_ptr<const SharedWeights> shared;
  std::vector<LayerWeights> layers;

  // Packed bytes of the layers' matrices and of the output head, all of which one decoded token
  // reads.
  std::int64_t layer_bytes() const noexcept;
  std::int64_t head_bytes() const noexcept;
  std::int64_t greedy_head_bytes() const noexcept;  // 0: there is none
  // Of what SparseFfn replaces in decoding, and of its rows and columns (0: there are none).
  std::int64_t up_down_bytes() const noexcept;
  std::int64_t sparse_bytes() const noexcept;
  std::int64_t norm_bytes() const noexcept;  // and biases
  // Everything held in memory.
  std::int64_t total_bytes() const noexcept;
  bool ternary() const noexcept;  // every linear layer is
};

// Each throws Error when a tensor is missing, has the wrong shape or an unsupported type, or when
// the file holds a tensor that this network would ignore (a bias, an unknown norm): answers would
// be wrong.
ModelWeights load_weights(const GgufFile& file, const ModelConfig& config,
                          const WeightChoices& choices, const kernels::KernelTable& table,
                          ThreadPool& pool);
ModelWeights load_weights(const SafetensorsFile& file, const ModelConfig& config,
                          const WeightChoices& choices, const kernels::KernelTable& table,
                          ThreadPool& pool);
ModelWeights make_weights(const SyntheticShape& shape, std::uint64_t seed,
                          const WeightChoices& choices, const kernels::KernelTable& table,
                          ThreadPool& pool);

// The same layers in another type: weights -1, 0, 1 (block scales 1) and the tensor's binary32
// scale on the output, which is the dequantised matrix without the rounding of its scale to
// binary16. Where zeros are skipped, F16 and BF16 layers skip them too, the latter on exact kernels
// rows only. Throws Error when the columns of a matrix are no whole blocks.
std::vector<LayerWeights> twin_layers(const ModelWeights& ternary, TwinType type,
                                      const kernels::KernelTable& table, ThreadPool& pool);
std::int64_t twin_layers_bytes(const ModelWeights& ternary, TwinType type,
                               const kernels::KernelTable& table) noexcept;

}  // namespace tern::engine
