#include "engine/model.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <new>
#include <optional>

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

TernaryBits bits_of(const std::optional<TernaryLayout>& layout) {
  return layout.has_value() ? layout->bits : TernaryBits::k2;
}

// What the tensors of a file become in memory: an estimate for the memory check, exact but for
// padding.
struct PackedSize {
  std::int64_t ternary_weights = 0;
  std::int64_t other_bytes = 0;
};

void add(PackedSize& size, const TensorView& t, bool ternarized) {
  if (t.shape.size() != 2) {
    size.other_bytes += t.elements() * 4;
    return;
  }
  switch (t.type) {
    case DType::kI2S:
    case DType::kTq1_0:
    case DType::kTq2_0:
      size.ternary_weights += t.elements();
      break;
    case DType::kU8:
      size.ternary_weights += t.elements() * 4;
      break;
    case DType::kF16:
    case DType::kBf16:
      (ternarized ? size.ternary_weights : size.other_bytes) += t.elements() * (ternarized ? 1 : 2);
      break;
    case DType::kQ5_0:
      size.other_bytes += t.elements() / 32 * 34;
      break;
    case DType::kQ8_0:
    case DType::kQ4_0:
    case DType::kQ6_K:
      size.other_bytes += static_cast<std::int64_t>(t.bytes.size());
      break;
    default:
      size.other_bytes += t.elements() * 4;
  }
}

// head_name: the tensor that `options` requantise, or copy.
PackedSize packed_size(std::span<const TensorView> tensors, bool ternarized,
                       const ModelOptions& options, const std::string& head_name) {
  PackedSize size;
  for (const TensorView& t : tensors) {
    const bool is_head = t.name == head_name && t.shape.size() == 2;
    if (is_head && options.greedy_head) {
      size.other_bytes += GreedyHead::bytes_needed(t.shape[0], t.shape[1]);
    }
    if (is_head && options.head != HeadType::kStored) {
      size.other_bytes += head_bytes(options.head, t.elements());
    } else {
      add(size, t, ternarized && t.name.find("_proj.") != std::string::npos);
    }
  }
  return size;
}

// What the copies of `up` and `down` add.
std::int64_t sparse_bytes(const ModelConfig& c, const ModelOptions& options) {
  return options.skip_zeros ? c.layers * sparse_ternary_bytes(c.ffn, c.hidden) : 0;
}

// How a model is to be loaded.
struct Target {
  const kernels::KernelTable& table;
  ThreadPool& pool;
  const ModelOptions& options;
};

// Where the ternary weights go; checks that everything fits.
std::optional<TernaryLayout> lay_out(const std::string& what, const PackedSize& size,
                                     const Target& target) {
  std::optional<TernaryLayout> layout;
  if (size.ternary_weights > 0) {
    layout = choose_ternary_layout(target.options.ternary_bits, target.table, size.ternary_weights,
                                   target.pool);
  }
  require_memory(what, size.other_bytes + ternary_bytes(size.ternary_weights, bits_of(layout)));
  return layout;
}

WeightChoices choices(const ModelOptions& options, const std::optional<TernaryLayout>& layout) {
  return {options.head, bits_of(layout), options.greedy_head, options.skip_zeros};
}

std::string head_name(Container container, const ModelConfig& c) {
  return tensor_name(container, c.tied_embedding ? ModelRole::kEmbedding : ModelRole::kOutput);
}

std::int64_t count_parameters(const ModelConfig& c, bool tied) {
  const std::int64_t layer =
      2 * c.hidden * c.q_dim() + 2 * c.hidden * c.kv_dim() + 3 * c.hidden * c.ffn + 2 * c.hidden +
      (c.sub_norms ? c.q_dim() + c.ffn : 0) + (c.qkv_bias ? c.q_dim() + 2 * c.kv_dim() : 0);
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

// Behind the type in a description.
std::string decoded_text(const std::string& type) {
  if (type == name(DType::kQ5_0)) return " as q8_0";
  return type == name(DType::kQ4_K) ? " as f32" : "";
}

struct Loaded {
  ModelConfig config;
  ModelWeights weights;
  std::string container;
  std::string types;
  std::optional<TernaryLayout> ternary_layout;
};

Loaded load_gguf(const std::filesystem::path& path, const Target& target) {
  const GgufFile file(path);
  ModelConfig config = config_from_gguf(file);
  PackedSize size =
      packed_size(file.tensors(), false, target.options, head_name(Container::kGguf, config));
  size.other_bytes += sparse_bytes(config, target.options);
  std::optional<TernaryLayout> layout = lay_out(file.origin(), size, target);
  ModelWeights weights =
      load_weights(file, config, choices(target.options, layout), target.table, target.pool);
  return {std::move(config), std::move(weights), "gguf v" + std::to_string(file.version()),
          stored_type(file.find(tensor_name(Container::kGguf, 0, LayerRole::kQ))),
          std::move(layout)};
}

Loaded load_safetensors(const std::filesystem::path& path, const Target& target) {
  const SafetensorsFile file(path);
  if (file.config_json().empty()) {
    throw Error(
        "model " + file.origin() +
        ": expected a folder with config.json beside the .safetensors file, got a single file");
  }
  ModelConfig config = config_from_json(file.config_json(), file.origin());
  const bool online = hf_quantization(file.config_json(), file.origin()).weights ==
                      HfQuantization::Weights::kOnline;
  PackedSize size = packed_size(file.tensors(), online, target.options,
                                head_name(Container::kHuggingFace, config));
  size.other_bytes += sparse_bytes(config, target.options);
  std::optional<TernaryLayout> layout = lay_out(file.origin(), size, target);
  ModelWeights weights =
      load_weights(file, config, choices(target.options, layout), target.table, target.pool);
  return {std::move(config), std::move(weights), "safetensors",
          stored_type(file.find(tensor_name(Container::kHuggingFace, 0, LayerRole::kQ))),
          std::move(layout)};
}

Loaded make_synthetic(const std::string& name, const Target& target) {
  const SyntheticShape shape = synthetic_shape(name);
  const HeadType head = target.options.head;
  const std::int64_t table_elements = shape.vocab * shape.hidden;
  const std::int64_t saved =
      head == HeadType::kStored ? 0 : table_elements * 2 - head_bytes(head, table_elements);
  const std::int64_t weights = synthetic_parameters(shape);
  const std::int64_t copy =
      target.options.greedy_head ? GreedyHead::bytes_needed(shape.vocab, shape.hidden) : 0;
  const std::int64_t others = synthetic_bytes(shape, false) -
                              ternary_bytes(weights, TernaryBits::k2) - saved + copy +
                              sparse_bytes(config_of(shape), target.options);
  std::optional<TernaryLayout> layout = lay_out("synth:" + name, {weights, others}, target);
  return {config_of(shape),
          make_weights(shape, kSyntheticSeed, choices(target.options, layout), target.table,
                       target.pool),
          "synthetic", "ternary", std::move(layout)};
}

Loaded load_any(const std::string& spec, const Target& target) {
  if (spec.starts_with(kSyntheticPrefix)) {
    return make_synthetic(spec.substr(kSyntheticPrefix.size()), target);
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
    return load_safetensors(beside ? path.parent_path() : path, target);
  }
  return load_gguf(path, target);
}

// Behind a description.
std::string head_text(HeadType head) {
  return head == HeadType::kStored ? "" : std::string(", ") + name(head) + " head";
}

}  // namespace

const char* name(HeadType type) noexcept {
  return type == HeadType::kStored ? "stored" : type == HeadType::kQ8_0 ? "q8_0" : "q6_k";
}

const char* title(TwinType type) noexcept {
  switch (type) {
    case TwinType::kF16:
      return "FP16";
    case TwinType::kBf16:
      return "BF16";
    case TwinType::kQ8_0:
      return "Q8_0";
    case TwinType::kQ4_0:
      break;
  }
  return "Q4_0";
}

const char* name(TwinType type) noexcept {
  switch (type) {
    case TwinType::kF16:
      return "f16";
    case TwinType::kBf16:
      return "bf16";
    case TwinType::kQ8_0:
      return "q8_0";
    case TwinType::kQ4_0:
      break;
  }
  return "q4_0";
}

std::shared_ptr<const Model> Model::load(const std::string& spec, const kernels::KernelTable& table,
                                         ThreadPool& pool, const ModelOptions& options) {
  Loaded loaded = load_any(spec, {table, pool, options});
  auto model = std::shared_ptr<Model>(new Model());
  model->config_ = std::move(loaded.config);
  model->table_ = &table;
  ModelFacts& facts = model->facts_;
  facts.spec = spec;
  facts.container = std::move(loaded.container);
  facts.weight_types = std::move(loaded.types);
  facts.ternary = loaded.weights.ternary();
  facts.head = options.head;
  facts.greedy_head = options.greedy_head;
  facts.skip_zeros = options.skip_zeros;
  facts.ternary_layout = std::move(loaded.ternary_layout);
  facts.description = model->config_.name + " " + facts.weight_types +
                      decoded_text(facts.weight_types) + head_text(facts.head);
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
  twin->facts_.ternary_layout.reset();
  twin->facts_.skip_zeros = weights.sparse_bytes() > 0;
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
