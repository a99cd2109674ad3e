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

// Bytes of a matrix requantised in blocks.
std::int64_t head_bytes(HeadType head, std::int64_t elements) {
  return head == HeadType::kQ8_0 ? elements / 32 * 34 : elements / 256 * 210;
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
    case DType::kQ8_0:
    case DType::kQ4_0:
    case DType::kQ6_K:
      return static_cast<std::int64_t>(t.bytes.size());
    default:
      return t.elements() * 4;
  }
}

// head_name: the tensor that `head` requantises.
std::int64_t packed_bytes(std::span<const TensorView> tensors, bool ternarized, HeadType head,
                          const std::string& head_name) {
  std::int64_t sum = 0;
  for (const TensorView& t : tensors) {
    const bool requantized = head != HeadType::kStored && t.name == head_name;
    sum += requantized ? head_bytes(head, t.elements())
                       : packed_bytes(t, ternarized && t.name.find("_proj.") != std::string::npos);
  }
  return sum;
}

std::string head_name(Container container, const ModelConfig& c) {
  return tensor_name(container, c.tied_embedding ? ModelRole::kEmbedding : ModelRole::kOutput);
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

Loaded load_gguf(const std::filesystem::path& path, HeadType head,
                 const kernels::KernelTable& table, ThreadPool& pool) {
  const GgufFile file(path);
  ModelConfig config = config_from_gguf(file);
  require_memory(file.origin(),
                 packed_bytes(file.tensors(), false, head, head_name(Container::kGguf, config)));
  ModelWeights weights = load_weights(file, config, head, table, pool);
  return {std::move(config), std::move(weights), "gguf v" + std::to_string(file.version()),
          stored_type(file.find(tensor_name(Container::kGguf, 0, LayerRole::kQ)))};
}

Loaded load_safetensors(const std::filesystem::path& path, HeadType head,
                        const kernels::KernelTable& table, ThreadPool& pool) {
  const SafetensorsFile file(path);
  if (file.config_json().empty()) {
    throw Error(
        "model " + file.origin() +
        ": expected a folder with config.json beside the .safetensors file, got a single file");
  }
  ModelConfig config = config_from_json(file.config_json(), file.origin());
  const bool online = hf_quantization(file.config_json(), file.origin()).weights ==
                      HfQuantization::Weights::kOnline;
  require_memory(file.origin(), packed_bytes(file.tensors(), online, head,
                                             head_name(Container::kHuggingFace, config)));
  ModelWeights weights = load_weights(file, config, head, table, pool);
  return {std::move(config), std::move(weights), "safetensors",
          stored_type(file.find(tensor_name(Container::kHuggingFace, 0, LayerRole::kQ)))};
}

Loaded make_synthetic(const std::string& name, HeadType head, const kernels::KernelTable& table,
                      ThreadPool& pool) {
  const SyntheticShape& shape = synthetic_shape(name);
  const std::int64_t table_elements = shape.vocab * shape.hidden;
  const std::int64_t saved =
      head == HeadType::kStored ? 0 : table_elements * 2 - head_bytes(head, table_elements);
  require_memory("synth:" + name, synthetic_bytes(shape, false) - saved);
  return {config_of(shape), make_weights(shape, kSyntheticSeed, head, table, pool), "synthetic",
          "ternary"};
}

Loaded load_any(const std::string& spec, HeadType head, const kernels::KernelTable& table,
                ThreadPool& pool) {
  if (spec.starts_with(kSyntheticPrefix)) {
    return make_synthetic(spec.substr(kSyntheticPrefix.size()), head, table, pool);
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
    return load_safetensors(beside ? path.parent_path() : path, head, table, pool);
  }
  return load_gguf(path, head, table, pool);
}

// Behind a description.
std::string head_text(HeadType head) {
  return head == HeadType::kStored ? "" : std::string(", ") + name(head) + " head";
}

const char* title(TwinType type) noexcept {
  return type == TwinType::kF16 ? "FP16" : type == TwinType::kQ8_0 ? "Q8_0" : "Q4_0";
}

}  // namespace

const char* name(HeadType type) noexcept {
  return type == HeadType::kStored ? "stored" : type == HeadType::kQ8_0 ? "q8_0" : "q6_k";
}

const char* name(TwinType type) noexcept {
  return type == TwinType::kF16 ? "f16" : type == TwinType::kQ8_0 ? "q8_0" : "q4_0";
}

std::shared_ptr<const Model> Model::load(const std::string& spec, const kernels::KernelTable& table,
                                         ThreadPool& pool, const LoadOptions& options) {
  Loaded loaded = load_any(spec, options.head, table, pool);
  auto model = std::shared_ptr<Model>(new Model());
  model->config_ = std::move(loaded.config);
  model->table_ = &table;
  ModelFacts& facts = model->facts_;
  facts.spec = spec;
  facts.container = std::move(loaded.container);
  facts.weight_types = std::move(loaded.types);
  facts.ternary = loaded.weights.ternary();
  facts.head = options.head;
  facts.description = model->config_.name + " " + facts.weight_types + head_text(facts.head);
  facts.parameters = count_parameters(model->config_, loaded.weights.shared->output == nullptr);
  facts.bytes = loaded.weights.total_bytes();
  model->weights_ = std::make_shared<const ModelWeights>(std::move(loaded.weights));
  return model;
}

std::shared_ptr<const Model> Model::twin(const Model& base, TwinType type, ThreadPool& pool) {
  const std::string what = std::string(title(type)) + " twin of " + base.facts_.spec;
  if (!base.facts_.ternary) {
    throw Error(what + ": expected a ternary model, got one with linear layers of another type");
  }
  require_memory("the " + what, base.twin_bytes(type));
  auto twin = std::shared_ptr<Model>(new Model());
  twin->config_ = base.config_;
  twin->table_ = base.table_;
  ModelWeights weights{base.weights_->shared,
                       twin_layers(*base.weights_, type, *base.table_, pool)};
  twin->facts_ = base.facts_;
  twin->facts_.ternary = false;
  twin->facts_.weight_types = name(type);
  twin->facts_.description =
      base.config_.name + " " + name(type) + " twin" + head_text(base.facts_.head);
  twin->facts_.bytes = weights.total_bytes();
  twin->weights_ = std::make_shared<const ModelWeights>(std::move(weights));
  return twin;
}

std::int64_t Model::twin_bytes(TwinType type) const noexcept {
  return facts_.ternary ? twin_layers_bytes(*weights_, type, *table_) : 0;
}

}  // namespace tern::engine
