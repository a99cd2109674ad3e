#include "engine/model.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <new>

#include "engine/error.h"
#include "engine/formats/gguf.h"
#include "engine/formats/safetensors.h"
#include "engine/model_weights.h"
#include "engine/synthetic.h"
#include "engine/thread_pool.h"

namespace tern::engine {
namespace {

constexpr std::string_view kSyntheticPrefix = "synth:";

std::string gib(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

// Checked before anything is allocated: a machine that starts to swap measures its disk.
void require_memory(const std::string& what, std::int64_t needed) {
  const std::int64_t available = available_memory_bytes();
  if (needed > available) {
    throw Error("weights of " + what + ": expected at most " + gib(available) +
                " (the memory available), got a need of " + gib(needed));
  }
}

// Packed bytes of a stored tensor, from its type: an estimate for the memory check, exact but for
// padding.
std::int64_t packed_bytes(const TensorView& t, bool ternarized) {
  if (t.shape.size() != 2) return t.elements() * 4;
  switch (t.type) {
    case DType::kI2S:
    case DType::kTq1_0:
    case DType::kTq2_0:
      return t.elements() / 4;
    case DType::kU8:
      return t.elements();
    case DType::kF16:
    case DType::kBf16:
      return ternarized ? t.elements() / 4 : t.elements() * 2;
    default:
      return t.elements() * 4;
  }
}

std::int64_t packed_bytes(std::span<const TensorView> tensors, bool ternarized) {
  std::int64_t sum = 0;
  for (const TensorView& t : tensors) {
    sum += packed_bytes(t, ternarized && t.name.find("_proj.") != std::string::npos);
  }
  return sum;
}

std::int64_t count_parameters(const ModelConfig& c, bool tied) {
  const std::int64_t layer = 2 * c.hidden * c.q_dim() + 2 * c.hidden * c.kv_dim() +
                             3 * c.hidden * c.ffn + 2 * c.hidden +
                             (c.sub_norms ? c.q_dim() + c.ffn : 0);
  return c.layers * layer + c.vocab * c.hidden * (tied ? 1 : 2) + c.hidden;
}

bool is_gguf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  file.read(magic, 4);
  return file.gcount() == 4 && std::string_view(magic, 4) == "GGUF";
}

std::string stored_type(const TensorView* tensor) {
  if (tensor == nullptr) return "unknown";
  return tensor->type == DType::kU8 ? "hf-packed" : std::string(name(tensor->type));
}

struct Loaded {
  ModelConfig config;
  ModelWeights weights;
  std::string container;
  std::string types;
};

Loaded load_gguf(const std::filesystem::path& path, const kernels::KernelTable& table,
                 ThreadPool& pool) {
  const GgufFile file(path);
  ModelConfig config = config_from_gguf(file);
  require_memory(file.origin(), packed_bytes(file.tensors(), false));
  ModelWeights weights = load_weights(file, config, table, pool);
  return {std::move(config), std::move(weights), "gguf v" + std::to_string(file.version()),
          stored_type(file.find(tensor_name(Container::kGguf, 0, LayerRole::kQ)))};
}

Loaded load_safetensors(const std::filesystem::path& path, const kernels::KernelTable& table,
                        ThreadPool& pool) {
  const SafetensorsFile file(path);
  if (file.config_json().empty()) {
    throw Error(
        "model " + file.origin() +
        ": expected a folder with config.json beside the .safetensors file, got a single file");
  }
  ModelConfig config = config_from_json(file.config_json(), file.origin());
  const bool online = hf_quantization(file.config_json(), file.origin()).weights ==
                      HfQuantization::Weights::kOnline;
  require_memory(file.origin(), packed_bytes(file.tensors(), online));
  ModelWeights weights = load_weights(file, config, table, pool);
  return {std::move(config), std::move(weights), "safetensors",
          stored_type(file.find(tensor_name(Container::kHuggingFace, 0, LayerRole::kQ)))};
}

Loaded make_synthetic(const std::string& name, const kernels::KernelTable& table,
                      ThreadPool& pool) {
  const SyntheticShape& shape = synthetic_shape(name);
  require_memory("synth:" + name, synthetic_bytes(shape, false));
  return {config_of(shape), make_weights(shape, kSyntheticSeed, table, pool), "synthetic",
          "ternary"};
}

Loaded load_any(const std::string& spec, const kernels::KernelTable& table, ThreadPool& pool) {
  if (spec.starts_with(kSyntheticPrefix)) {
    return make_synthetic(spec.substr(kSyntheticPrefix.size()), table, pool);
  }
  const std::filesystem::path path(spec);
  std::error_code error;
  const bool folder = std::filesystem::is_directory(path, error);
  if (!folder && !std::filesystem::exists(path, error)) {
    throw Error("model '" + spec +
                "': expected a GGUF file, a safetensors folder or synth:NAME, got nothing there");
  }
  const bool safetensors = folder || path.extension() == ".safetensors";
  if (safetensors && !(!folder && is_gguf(path))) {
    const bool beside =
        !folder && std::filesystem::exists(path.parent_path() / "config.json", error);
    return load_safetensors(beside ? path.parent_path() : path, table, pool);
  }
  return load_gguf(path, table, pool);
}

}  // namespace

std::shared_ptr<const Model> Model::load(const std::string& spec, const kernels::KernelTable& table,
                                         ThreadPool& pool) {
  Loaded loaded = load_any(spec, table, pool);
  auto model = std::shared_ptr<Model>(new Model());
  model->config_ = std::move(loaded.config);
  model->table_ = &table;
  ModelFacts& facts = model->facts_;
  facts.spec = spec;
  facts.container = std::move(loaded.container);
  facts.weight_types = std::move(loaded.types);
  facts.ternary = loaded.weights.ternary();
  facts.description = model->config_.name + " " + facts.weight_types;
  facts.parameters = count_parameters(model->config_, loaded.weights.shared->output == nullptr);
  facts.bytes = loaded.weights.total_bytes();
  model->weights_ = std::make_shared<const ModelWeights>(std::move(loaded.weights));
  return model;
}

std::shared_ptr<const Model> Model::half_twin(const Model& base, ThreadPool& pool) {
  if (!base.facts_.ternary) {
    throw Error("FP16 twin of " + base.facts_.spec + ": expected a ternary model, got one with " +
                "linear layers of another type");
  }
  require_memory("the FP16 twin of " + base.facts_.spec, base.half_twin_bytes());
  auto twin = std::shared_ptr<Model>(new Model());
  twin->config_ = base.config_;
  twin->table_ = base.table_;
  ModelWeights weights{base.weights_->shared, half_layers(*base.weights_, *base.table_, pool)};
  twin->facts_ = base.facts_;
  twin->facts_.ternary = false;
  twin->facts_.weight_types = "f16";
  twin->facts_.description = base.config_.name + " f16 twin";
  twin->facts_.bytes = weights.total_bytes();
  twin->weights_ = std::make_shared<const ModelWeights>(std::move(weights));
  return twin;
}

std::int64_t Model::half_twin_bytes() const noexcept {
  return facts_.ternary ? half_layers_bytes(*weights_, *table_) : 0;
}

}  // namespace tern::engine
