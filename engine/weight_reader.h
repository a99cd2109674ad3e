#pragma once
// Turns the tensors of one file into packed matrices and norms, role by role: finds each by its
// container's name, checks its shape, decodes its type. Remembers what was taken, so that a tensor
// nobody asked for is refused instead of silently changing the network.

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/linear.h"
#include "engine/model_config.h"
#include "engine/tensor.h"
#include "engine/tensor_names.h"
#include "engine/weight_choices.h"
#include "engine/weight_memory.h"

namespace tern::engine {

class WeightReader {
 public:
  // find(name) returns nullptr when the file has no such tensor.
  using Find = std::function<const TensorView*(const std::string& name)>;
  // norm_offset: what every norm's weights are stored without (ModelConfig).
  WeightReader(Container container, std::string origin, Find find, HfQuantization quantization,
               float norm_offset, const kernels::KernelTable& table, TernaryBits ternary_bits,
               ThreadPool& pool);

  // Matrix of a layer: ternary types become TernaryLinear, block types BlockLinear, float types
  // HalfLinear. Q4_K becomes a HalfLinear too, decoded to binary32: its minima are no part of the
  // arithmetic of kernels/block/block.h, and neither F16 nor BF16 holds its values. Q5_0 becomes
  // Q8_0, whose blocks hold its very integers and scales.
  Linear layer_matrix(std::int64_t layer, LayerRole role, std::int64_t rows, std::int64_t cols);
  // Embedding or output head: never ternarised (ternary types are decoded to binary32, which is
  // exact), and requantised as `head` says.
  Embedding model_matrix(ModelRole role, std::int64_t rows, std::int64_t cols, HeadType head);
  std::vector<float> layer_norm(std::int64_t layer, LayerRole role, std::int64_t size);
  std::vector<float> layer_bias(std::int64_t layer, LayerRole role, std::int64_t size);
  std::vector<float> model_norm(ModelRole role, std::int64_t size);
  void ignore(const std::string& name) { taken_.insert(name); }

  // Throws Error naming a tensor that was never asked for.
  void refuse_leftovers(std::span<const TensorView> tensors) const;

 private:
  const TensorView& require(const std::string& name, std::span<const std::int64_t> shape);
  std::vector<float> vector(const std::string& name, std::int64_t size);
  std::vector<float> norm(const std::string& name, std::int64_t size);
  Embedding embedding(const TensorView& tensor);
  HalfLinear half(const TensorView& tensor, float factor);
  BlockLinear block(const TensorView& tensor, kernels::BlockType type, float factor);
  TernaryLinear ternary(const TensorView& tensor, float factor);
  TernaryLinear hf_packed(const TensorView& tensor, std::int64_t rows);
  TernaryLinear ternarized(const TensorView& tensor);
  float hf_scale(const std::string& weight_name);
  // What multiplies the output of a layer's matrix beside the scales of its type: 1 without the
  // tensor for it.
  float output_factor(std::int64_t layer, LayerRole role);

  Container container_;
  std::string origin_;
  Find find_;
  HfQuantization quantization_;
  float norm_offset_;
  const kernels::KernelTable& table_;
  const kernels::TernaryKernels& ternary_kernels_;
  ThreadPool& pool_;
  WeightMemory memory_;
  std::set<std::string> taken_;
};

// A float matrix as Q8_0 or Q6_K. row_weights(row, out) yields one row (cols) as binary32; called
// from many threads. Throws Error naming `origin` when a row is no whole blocks or has a scale that
// does not fit.
BlockLinear requantized(HeadType head, const std::string& origin, const kernels::KernelTable& table,
                        std::int64_t rows, std::int64_t cols,
                        const std::function<void(std::int64_t row, float* out)>& row_weights,
                        ThreadPool& pool, WeightMemory& memory);

}  // namespace tern::engine
