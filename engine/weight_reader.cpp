#include "engine/weight_reader.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "engine/error.h"
#include "engine/formats/block_encoders.h"
#include "engine/formats/blocks.h"

namespace tern::engine {
namespace {

bool is_ternary_type(DType type) noexcept {
  return type == DType::kI2S || type == DType::kTq1_0 || type == DType::kTq2_0;
}

bool is_plain_float(DType type) noexcept {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBf16;
}

std::optional<kernels::BlockType> block_type(DType type) noexcept {
  if (type == DType::kQ8_0 || type == DType::kQ5_0) return kernels::BlockType::kQ8_0;
  if (type == DType::kQ4_0) return kernels::BlockType::kQ4_0;
  if (type == DType::kQ6_K) return kernels::BlockType::kQ6_K;
  return std::nullopt;
}

kernels::HalfType half_type(DType type) noexcept {
  if (type == DType::kF16) return kernels::HalfType::kF16;
  if (type == DType::kBf16) return kernels::HalfType::kBf16;
  return kernels::HalfType::kF32;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "(";
  for (const std::int64_t d : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(d);
  return text + ")";
}

float mean_magnitude(const TensorView& tensor) {
  const std::int64_t cols = tensor.shape[1];
  std::vector<float> row(static_cast<std::size_t>(cols));
  double sum = 0;
  for (std::int64_t r = 0; r < tensor.shape[0]; ++r) {
    decode_row(tensor, r, row.data());
    for (const float w : row) sum += std::fabs(static_cast<double>(w));
  }
  return static_cast<float>(sum / static_cast<double>(tensor.elements()));
}

// clamp(round_half_even(w * s), -1, 1). Adding and taking away 1.5 * 2^23 rounds half to even.
std::int8_t ternarize(float w, float s) noexcept {
  constexpr float kMagic = 12582912.0f;
  const float scaled = std::clamp(w * s, -2.0f, 2.0f);
  const float rounded = (scaled + kMagic) - kMagic;
  return static_cast<std::int8_t>(std::clamp(rounded, -1.0f, 1.0f));
}

}  // namespace

WeightReader::WeightReader(Container container, std::string origin, Find find,
                           HfQuantization quantization, float norm_offset,
                           const kernels::KernelTable& table, TernaryBits ternary_bits,
                           ThreadPool& pool)
    : container_(container),
      origin_(std::move(origin)),
      find_(std::move(find)),
      quantization_(quantization),
      norm_offset_(norm_offset),
      table_(table),
      ternary_kernels_(ternary_kernels(table, ternary_bits)),
      pool_(pool) {}

const TensorView& WeightReader::require(const std::string& name,
                                        std::span<const std::int64_t> shape) {
  const TensorView* tensor = find_(name);
  if (tensor == nullptr) {
    throw Error("tensors of " + origin_ + ": expected '" + name + "' " + shape_text(shape) +
                ", got none");
  }
  if (!std::equal(tensor->shape.begin(), tensor->shape.end(), shape.begin(), shape.end())) {
    throw Error("tensor '" + name + "' in " + origin_ + ": expected shape " + shape_text(shape) +
                ", got " + describe(*tensor));
  }
  taken_.insert(name);
  return *tensor;
}

std::vector<float> WeightReader::vector(const std::string& name, std::int64_t size) {
  const std::int64_t shape[] = {size};
  const TensorView& tensor = require(name, shape);
  if (!is_plain_float(tensor.type)) {
    throw Error("tensor '" + name + "' in " + origin_ + ": expected f32, f16 or bf16, got " +
                describe(tensor));
  }
  TensorView row = tensor;
  row.shape = {1, size};
  std::vector<float> values(static_cast<std::size_t>(size));
  decode_row(row, 0, values.data());
  for (const float value : values) {
    if (!std::isfinite(value)) {
      throw Error("tensor '" + name + "' in " + origin_ + ": expected finite numbers, got " +
                  std::to_string(value));
    }
  }
  return values;
}

std::vector<float> WeightReader::norm(const std::string& name, std::int64_t size) {
  std::vector<float> weights = vector(name, size);
  for (float& w : weights) w = w + norm_offset_;
  return weights;
}

std::vector<float> WeightReader::layer_norm(std::int64_t layer, LayerRole role, std::int64_t size) {
  return norm(tensor_name(container_, layer, role), size);
}

std::vector<float> WeightReader::layer_bias(std::int64_t layer, LayerRole role, std::int64_t size) {
  return vector(bias_name(container_, layer, role), size);
}

std::vector<float> WeightReader::model_norm(ModelRole role, std::int64_t size) {
  return norm(tensor_name(container_, role), size);
}

Embedding WeightReader::model_matrix(ModelRole role, std::int64_t rows, std::int64_t cols,
                                     HeadType head) {
  const std::int64_t shape[] = {rows, cols};
  const TensorView& tensor = require(tensor_name(container_, role), shape);
  if (head == HeadType::kStored) return embedding(tensor);
  if (!is_plain_float(tensor.type)) {
    throw Error("--head " + std::string(name(head)) + ": expected tensor '" + tensor.name +
                "' in " + origin_ + " to be f32, f16 or bf16, got " + describe(tensor));
  }
  return requantized(
      head, origin_, table_, rows, cols,
      [&](std::int64_t row, float* out) { decode_row(tensor, row, out); }, pool_, memory_);
}

Embedding WeightReader::embedding(const TensorView& tensor) {
  if (const auto type = block_type(tensor.type)) return block(tensor, *type, 1);
  return half(tensor, 1);
}

Linear WeightReader::layer_matrix(std::int64_t layer, LayerRole role, std::int64_t rows,
                                  std::int64_t cols) {
  const std::string name = tensor_name(container_, layer, role);
  const TensorView* found = find_(name);
  if (found != nullptr && found->type == DType::kU8) {
    const std::int64_t packed_shape[] = {(rows + 3) / 4, cols};
    if (rows % 4 != 0 || quantization_.weights != HfQuantization::Weights::kPacked) {
      throw Error("tensor '" + name + "' in " + origin_ +
                  ": expected float weights, or packed trits of a multiple of 4 rows declared by a "
                  "quantization_config, got " +
                  describe(*found));
    }
    return hf_packed(require(name, packed_shape), rows);
  }
  const std::int64_t shape[] = {rows, cols};
  const TensorView& tensor = require(name, shape);
  const float factor = output_factor(layer, role);
  if (is_ternary_type(tensor.type)) return ternary(tensor, factor);
  if (quantization_.weights == HfQuantization::Weights::kPacked) {
    throw Error("tensor '" + name + "' in " + origin_ +
                ": expected packed u8 trits (quantization_mode offline), got " + describe(tensor));
  }
  if (quantization_.weights == HfQuantization::Weights::kOnline) return ternarized(tensor);
  if (const auto type = block_type(tensor.type)) return block(tensor, *type, factor);
  return half(tensor, factor);
}

float WeightReader::output_factor(std::int64_t layer, LayerRole role) {
  const std::string name = scale_name(layer, role);
  if (container_ != Container::kGguf || find_(name) == nullptr) return 1;
  const float factor = vector(name, 1)[0];
  if (factor > 0) return factor;
  throw Error("tensor '" + name + "' in " + origin_ + ": expected a positive number, got " +
              std::to_string(factor));
}

BlockLinear WeightReader::block(const TensorView& tensor, kernels::BlockType type, float factor) {
  const std::int64_t row_bytes = block_row_bytes(type, tensor.shape[1]);
  return BlockLinear(
      table_, type, tensor.shape[0], tensor.shape[1], factor,
      [&](std::int64_t row, std::byte* out) {
        if (tensor.type == DType::kQ5_0) return q5_0_as_q8_0(tensor, row, out);
        std::memcpy(out, tensor.bytes.data() + row * row_bytes,
                    static_cast<std::size_t>(row_bytes));
      },
      pool_, &memory_);
}

HalfLinear WeightReader::half(const TensorView& tensor, float factor) {
  if (!is_plain_float(tensor.type) && !is_ternary_type(tensor.type) &&
      tensor.type != DType::kQ4_K) {
    throw Error("tensor '" + tensor.name + "' in " + origin_ +
                ": expected float or block-quantised weights, got " + describe(tensor));
  }
  const kernels::HalfType type = half_type(tensor.type);
  const std::int64_t row_bytes = tensor.shape[1] * half_bytes(type);
  const bool plain = is_plain_float(tensor.type);
  return HalfLinear(
      table_, type, tensor.shape[0], tensor.shape[1], factor,
      [&](std::int64_t row, void* out) {
        if (plain) {
          std::memcpy(out, tensor.bytes.data() + row * row_bytes,
                      static_cast<std::size_t>(row_bytes));
        } else {
          decode_row(tensor, row, static_cast<float*>(out));
        }
      },
      pool_, &memory_);
}

TernaryLinear WeightReader::ternary(const TensorView& tensor, float factor) {
  const float scale = ternary_scale(tensor) * factor;
  if (!std::isfinite(scale)) {
    throw Error("scale of tensor '" + tensor.name + "' in " + origin_ +
                ": expected a finite number, got " + std::to_string(scale));
  }
  return TernaryLinear(
      ternary_kernels_, tensor.shape[0], tensor.shape[1], scale,
      [&](std::int64_t row, std::int8_t* out) { decode_trits(tensor, row, out); }, pool_, &memory_);
}

TernaryLinear WeightReader::hf_packed(const TensorView& tensor, std::int64_t rows) {
  return TernaryLinear(
      ternary_kernels_, rows, tensor.shape[1], hf_scale(tensor.name),
      [&](std::int64_t row, std::int8_t* out) { decode_hf_packed_trits(tensor, row, out); }, pool_,
      &memory_);
}

// Absmean quantisation of a float master (arXiv:2402.17764): s = 1 / max(mean|W|, 1e-5), trits
// clamp(round(W*s), -1, 1), effective weight trit * (1/s).
TernaryLinear WeightReader::ternarized(const TensorView& tensor) {
  const float s = 1.0f / std::max(mean_magnitude(tensor), 1e-5f);
  const std::int64_t cols = tensor.shape[1];
  return TernaryLinear(
      ternary_kernels_, tensor.shape[0], cols, 1.0f / s,
      [&](std::int64_t row, std::int8_t* out) {
        std::vector<float> weights(static_cast<std::size_t>(cols));
        decode_row(tensor, row, weights.data());
        for (std::int64_t c = 0; c < cols; ++c)
          out[c] = ternarize(weights[static_cast<std::size_t>(c)], s);
      },
      pool_, &memory_);
}

float WeightReader::hf_scale(const std::string& weight_name) {
  const std::string name = weight_name + "_scale";
  const TensorView* tensor = find_(name);
  if (tensor == nullptr || tensor->elements() != 1 || !is_plain_float(tensor->type)) {
    throw Error("tensors of " + origin_ + ": expected one float '" + name + "', got " +
                (tensor == nullptr ? std::string("none") : describe(*tensor)));
  }
  taken_.insert(name);
  TensorView one = *tensor;
  one.shape = {1, 1};
  float scale = 0;
  decode_row(one, 0, &scale);
  if (!(std::isfinite(scale) && scale > 0)) {
    throw Error("tensor '" + name + "' in " + origin_ + ": expected a positive number, got " +
                std::to_string(scale));
  }
  return quantization_.multiply ? scale : 1.0f / scale;
}

void WeightReader::refuse_leftovers(std::span<const TensorView> tensors) const {
  for (const TensorView& tensor : tensors) {
    if (!taken_.contains(tensor.name)) {
      throw Error("tensor '" + tensor.name + "' in " + origin_ +
                  ": expected only tensors this architecture uses, got one it would ignore");
    }
  }
}

BlockLinear requantized(HeadType head, const std::string& origin, const kernels::KernelTable& table,
                        std::int64_t rows, std::int64_t cols,
                        const std::function<void(std::int64_t row, float* out)>& row_weights,
                        ThreadPool& pool, WeightMemory& memory) {
  const bool q8 = head == HeadType::kQ8_0;
  const DType stored = q8 ? DType::kQ8_0 : DType::kQ6_K;
  if (cols % block_elements(stored) != 0) {
    throw Error("--head " + std::string(name(head)) + ": expected rows in multiples of " +
                std::to_string(block_elements(stored)) + " columns, got " + std::to_string(cols) +
                " in " + origin);
  }
  return BlockLinear(
      table, q8 ? kernels::BlockType::kQ8_0 : kernels::BlockType::kQ6_K, rows, cols, 1.0f,
      [&](std::int64_t row, std::byte* out) {
        std::vector<float> weights(static_cast<std::size_t>(cols));
        row_weights(row, weights.data());
        encode_blocks(stored, weights, out);
      },
      pool, &memory);
}

}  // namespace tern::engine
