#include "harness/contenders.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/error.h"

namespace tern::harness {

namespace {

constexpr std::int64_t kMib = std::int64_t{1} << 20;

// Empty when the twin and the caches of both fit.
std::string why_no_twin(const engine::Model& model, engine::TwinType type, const MemoryNeed& need) {
  const std::int64_t available = engine::available_memory_bytes();
  const std::int64_t needed = model.twin_bytes(type) + 2 * cache_bytes(model.config(), need);
  const std::int64_t usable = available - memory_margin(available);
  if (needed <= usable) return "";
  return fmt::format("the {} twin of {} needs {} MiB and this machine has {} MiB to spare",
                     title(type), model.facts().spec, needed / kMib,
                     std::max<std::int64_t>(usable, 0) / kMib);
}

}  // namespace

std::optional<engine::TwinType> named_twin(const std::string& baseline) {
  using enum engine::TwinType;
  if (baseline == "auto") return kF16;
  for (const engine::TwinType type : {kF16, kBf16, kQ8_0, kQ4_0}) {
    if (baseline == name(type)) return type;
  }
  return std::nullopt;
}

std::int64_t cache_bytes(const engine::ModelConfig& config, const MemoryNeed& need) {
  const auto element = [](kernels::CacheType type) {
    return type == kernels::CacheType::kF16 ? 2 : 4;
  };
  return need.sequences * need.positions * config.layers * config.kv_dim() *
         (element(need.cache_k) + element(need.cache_v));
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
  const std::optional<engine::TwinType> twin = named_twin(baseline);
  if (baseline == "none") {
    contenders.no_second = "--baseline none was given";
  } else if (!twin.has_value()) {
    contenders.second = engine::Model::load(baseline, table, pool, options);
  } else if (!first.facts().ternary) {
    contenders.no_second =
        fmt::format("not every linear layer of {} is ternary, so it has no {} twin",
                    first.facts().spec, title(*twin));
  } else {
    contenders.no_second = why_no_twin(first, *twin, need);
    if (contenders.no_second.empty()) contenders.second = engine::Model::twin(first, *twin, pool);
  }
  return contenders;
}

}  // namespace tern::harness
