#include "harness/contenders.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/error.h"
#include "harness/baselines.h"

namespace tern::harness {

namespace {

constexpr std::int64_t kMib = std::int64_t{1} << 20;

std::string twins_text(const std::vector<engine::TwinType>& types) {
  return titles(types) + (types.size() == 1 ? " twin" : " twins");
}

// Empty when the twins and the caches of all subjects fit.
std::string why_no_twins(const engine::Model& model, const std::vector<engine::TwinType>& types,
                         const MemoryNeed& need) {
  const std::int64_t available = engine::available_memory_bytes();
  const std::int64_t needed = twins_need_bytes(model, types, need);
  const std::int64_t usable = available - memory_margin(available);
  if (needed <= usable) return "";
  return fmt::format("the {} of {} {} {} MiB and this machine has {} MiB to spare",
                     twins_text(types), model.facts().spec,
                     types.size() == 1 ? "needs" : "together need", needed / kMib,
                     std::max<std::int64_t>(usable, 0) / kMib);
}

void make_twins(Contenders& contenders, const std::vector<engine::TwinType>& types,
                const MemoryNeed& need, engine::ThreadPool& pool) {
  const engine::Model& first = *contenders.first;
  contenders.no_baseline = why_no_twins(first, types, need);
  if (!contenders.no_baseline.empty()) {
    // Which of them matters is the user's to say.
    if (types.size() > 1) {
      throw engine::Error("--baseline: " + contenders.no_baseline + "; name fewer of them");
    }
    return;
  }
  for (std::size_t i = 0; i < types.size(); ++i) {
    contenders.baselines.push_back(
        {baseline_name(i, types[i]), engine::Model::twin(first, types[i], pool)});
  }
}

}  // namespace

std::int64_t cache_bytes(const engine::ModelConfig& config, const MemoryNeed& need) {
  const auto element = [](kernels::CacheType type) {
    return type == kernels::CacheType::kF16 ? 2 : 4;
  };
  return need.sequences * need.positions * config.layers * config.kv_dim() *
         (element(need.cache_k) + element(need.cache_v));
}

std::int64_t twins_need_bytes(const engine::Model& model,
                              const std::vector<engine::TwinType>& types, const MemoryNeed& need) {
  const auto subjects = static_cast<std::int64_t>(types.size()) + 1;
  std::int64_t bytes = subjects * cache_bytes(model.config(), need);
  for (const engine::TwinType type : types) bytes += model.twin_bytes(type);
  return bytes;
}

std::int64_t memory_margin(std::int64_t available_bytes) {
  return std::max<std::int64_t>(256 * kMib, available_bytes / 20);
}

Contenders load_contenders(const std::string& model, const std::string& baseline,
                           const MemoryNeed& need, const kernels::KernelTable& table,
                           engine::ThreadPool& pool, const engine::ModelOptions& options) {
  Contenders contenders;
  contenders.first = engine::Model::load(model, table, pool, options);
  const engine::Model& first = *contenders.first;
  const std::vector<engine::TwinType> twins = named_twins(baseline);
  if (baseline == "none") {
    contenders.no_baseline = "--baseline none was given";
  } else if (twins.empty()) {
    engine::ModelOptions other = options;
    other.skip_zeros = false;  // refused where a model has no exact zeros; few baselines have
    contenders.baselines.push_back({"baseline", engine::Model::load(baseline, table, pool, other)});
  } else if (!first.facts().ternary) {
    contenders.no_baseline = fmt::format("not every linear layer of {} is ternary, so it has no {}",
                                         first.facts().spec, twins_text(twins));
  } else {
    make_twins(contenders, twins, need, pool);
  }
  return contenders;
}

}  // namespace tern::harness
