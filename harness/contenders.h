#pragma once
// The models of one comparison: what the user named, and the baseline it is held against. Where
// memory cannot hold both, the first one runs alone and the reason is kept: never swap.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/model.h"
#include "kernels/attention/attention.h"

namespace tern::harness {

struct Contenders {
  std::shared_ptr<const engine::Model> first;
  std::shared_ptr<const engine::Model> second;  // null: none, see no_second
  std::string no_second;                        // why

  std::string first_name() const { return first->facts().ternary ? "ternary" : "float"; }
  static const char* second_name() { return "baseline"; }
};

// What one session's cache needs, and what is left to the system beside the models.
struct MemoryNeed {
  std::int64_t positions = 0;  // of each sequence
  std::int64_t sequences = 1;
  kernels::CacheType cache_k = kernels::CacheType::kF16;
  kernels::CacheType cache_v = kernels::CacheType::kF16;
};
std::int64_t cache_bytes(const engine::ModelConfig& config, const MemoryNeed& need);
std::int64_t memory_margin(std::int64_t available_bytes);

// The twin of a ternary model that a --baseline names: "auto" or "f16", "bf16", "q8_0", "q4_0".
std::optional<engine::TwinType> named_twin(const std::string& baseline);

// baseline: a twin's name, "none" or a model, loaded with the same options. Throws engine::Error
// when a model that was asked for by name cannot be loaded.
Contenders load_contenders(const std::string& model, const std::string& baseline,
                           const MemoryNeed& need, const kernels::KernelTable& table,
                           engine::ThreadPool& pool, const engine::ModelOptions& options = {});

}  // namespace tern::harness
