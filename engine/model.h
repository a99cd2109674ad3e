#pragma once
// A loaded model: configuration and weights packed for one kernels row. Immutable once made, so it
// can be shared by sessions and threads. The FP16 twin of a ternary model shares its embedding,
// norms and head.

#include <cstdint>
#include <memory>
#include <string>

#include "engine/model_config.h"
#include "kernels/dispatch.h"

namespace tern::engine {

class ThreadPool;
struct ModelWeights;

struct ModelFacts {
  std::string spec;          // what the user asked for: a path or "synth:NAME"
  std::string container;     // "gguf v3", "safetensors", "synthetic"
  std::string weight_types;  // of the linear layers as stored: "i2_s", "f16", "hf-packed", …
  std::string description;   // llama-bench's model_type column: "bitnet-b1.58 2.41 B i2_s"
  std::int64_t parameters = 0;
  std::int64_t bytes = 0;  // all weights as packed in memory
  bool ternary = false;    // the linear layers are ternary with int8 activations
};

class Model {
 public:
  // spec: a GGUF file, a safetensors file or folder, or "synth:NAME". Throws Error; checks first
  // that the weights fit in the memory available.
  static std::shared_ptr<const Model> load(const std::string& spec,
                                           const kernels::KernelTable& table, ThreadPool& pool);

  // The same network with FP16 linear layers and unquantised activations (see DESIGN: HalfLinear).
  // Throws Error when `base` is not ternary or memory cannot hold the twin.
  static std::shared_ptr<const Model> half_twin(const Model& base, ThreadPool& pool);

  // What half_twin would add to the memory used, in bytes.
  std::int64_t half_twin_bytes() const noexcept;

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
