#pragma once
// A loaded model: configuration and weights packed for one kernels row. Immutable once made, so it
// can be shared by sessions and threads. The FP16 twin of a ternary model shares its embedding,
// norms and head.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/model_config.h"
#include "engine/weight_choices.h"
#include "kernels/dispatch.h"

namespace tern::engine {

class ThreadPool;
struct ModelWeights;

struct ModelFacts {
  std::string spec;          // what the user asked for: a path or "synth:NAME"
  std::string container;     // "gguf v3", "safetensors", "synthetic"
  std::string weight_types;  // of the linear layers as stored: "i2_s", "f16", "hf-packed", …
  // llama-bench's model_type column: "bitnet-b1.58 2.41 B i2_s"; says so where weights are decoded
  // into a larger type, since speed then is not that of the type stored.
  std::string description;
  std::int64_t parameters = 0;
  std::int64_t bytes = 0;             // all weights as packed in memory
  bool ternary = false;               // the linear layers are ternary with int8 activations
  HeadType head = HeadType::kStored;  // requantised at load: other answers than the file's
  bool greedy_head = false;           // as in ModelOptions
  bool skip_zeros = false;            // the same; of a twin: whether it does
  std::optional<TernaryLayout> ternary_layout;  // nothing: no linear layer is ternary
};

struct ModelOptions {
  HeadType head = HeadType::kStored;
  std::optional<TernaryBits> ternary_bits = TernaryBits::k2;  // nullopt: the faster one, measured
  // Memory for speed: a Q8_0 copy of a float head finds the largest logit with half the reading
  // (Session::decode_greedy). Answers stay the same. Refused where the head is in blocks.
  bool greedy_head = false;
  // Memory for speed: a second copy of `up` and `down` from which decoding reads only what squared
  // ReLU has not made zero (SparseFfn). Answers stay the same. Refused where the linear layers are
  // not ternary or the activation is another.
  bool skip_zeros = false;
};

class Model {
 public:
  // spec: a GGUF file, a safetensors file or folder, or "synth:NAME". Throws Error; checks first
  // that the weights fit in the memory available.
  static std::shared_ptr<const Model> load(const std::string& spec,
                                           const kernels::KernelTable& table, ThreadPool& pool,
                                           const ModelOptions& options = {});

  // The same network with linear layers of another type, which changes how activations enter them:
  // unquantised into F16 and BF16, quantised per block of 32 into Q8_0 and Q4_0. Where `base` skips
  // zeros F16 and BF16 do too (BF16 on an exact kernels row), the others do not. Throws Error when
  // `base` is not ternary, memory cannot hold the twin or its matrices are no whole blocks.
  static std::shared_ptr<const Model> twin(const Model& base, TwinType type, ThreadPool& pool);
  static std::shared_ptr<const Model> half_twin(const Model& base, ThreadPool& pool) {
    return twin(base, TwinType::kF16, pool);
  }

  // What a twin would add to the memory used, in bytes.
  std::int64_t twin_bytes(TwinType type) const noexcept;
  std::int64_t half_twin_bytes() const noexcept { return twin_bytes(TwinType::kF16); }

  const ModelConfig& config() const noexcept { return config_; }
  const ModelFacts& facts() const noexcept { return facts_; }
  const kernels::KernelTable& table() const noexcept { return *table_; }
  const ModelWeights& weights() const noexcept { return *weights_; }

 private:
  Model() = default;
  ModelConfig config_;
  ModelFacts facts_;
  const kernels::KernelTable* table_ = nullptr;
  std::shared_ptr<const ModelWeights> weights_;
};

// Bytes of memory this process may still take without swapping (MemAvailable, cgroup limits).
std::int64_t available_memory_bytes();

}  // namespace tern::engine
