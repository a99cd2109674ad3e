#pragma once
// The models of one comparison: what the user named, and the baselines it is held against. Where
// memory cannot hold a single twin, the first one runs alone and the reason is kept; a list of
// twins that does not fit is refused before the first is made: never swap.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/model.h"
#include "kernels/attention/attention.h"

namespace tern::harness {

struct Baseline {
  std::string name;  // of the subject
  std::shared_ptr<const engine::Model> model;
};

struct Contenders {
  std::shared_ptr<const engine::Model> first;
  std::vector<Baseline> baselines;  // as they were named; empty: see no_baseline
  std::string no_baseline;          // why

  std::string first_name() const { return first->facts().ternary ? "ternary" : "float"; }
};

// What one session's cache needs, and what is left to the system beside the models.
struct MemoryNeed {
  std::int64_t positions = 0;  // of each sequence
  std::int64_t sequences = 1;
  kernels::CacheType cache_k = kernels::CacheType::kF16;
  kernels::CacheType cache_v = kernels::CacheType::kF16;
};
std::int64_t cache_bytes(const engine::ModelConfig& config, const MemoryNeed& need);
// What twins of `model` would take: layers of their own (they share its embedding and its head),
// and a cache for each of them and for the model.
std::int64_t twins_need_bytes(const engine::Model& model,
                              const std::vector<engine::TwinType>& types, const MemoryNeed& need);
std::int64_t memory_margin(std::int64_t available_bytes);

// baseline: names of twins (named_twins), "none" or a model, loaded with the same options. Throws
// engine::Error when a model that was asked for by name cannot be loaded, or several twins do not
// fit together.
Contenders load_contenders(const std::string& model, const std::string& baseline,
                           const MemoryNeed& need, const kernels::KernelTable& table,
                           engine::ThreadPool& pool, const engine::ModelOptions& options = {});

}  // namespace tern::harness
