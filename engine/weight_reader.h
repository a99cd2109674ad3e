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

namespace tern::engine {

class WeightReader {
 public:
  // find(name) returns nullptr when the file has no such tensor.
  using Find = std::function<const TensorView*(const std::string& name)>;
  WeightReader(Container container, std::string origin, Find find, HfQuantization quantization,
               const kernels::KernelTable& table, ThreadPool& pool);

  // Matrix of a layer: ternary types become TernaryLinear, float and block types HalfLinear.
  Linear layer_matrix(std::int64_t layer, LayerRole role, std::int64_t rows, std::int64_t cols);
  // Embedding or output head: never ternarised. Block types are decoded to binary32, which is
  // exact.
  HalfLinear model_matrix(ModelRole role, std::int64_t rows, std::int64_t cols);
  std::vector<float> layer_norm(std::int64_t layer, LayerRole role, std::int64_t size);
  std::vector<float> model_norm(ModelRole role, std::int64_t size);
  void ignore(const std::string& name) { taken_.insert(name); }

  // Throws Error naming a tensor that was never asked for.
  void refuse_leftovers(std::span<const TensorView> tensors) const;

 private:
  const TensorView& require(const std::string& name, std::span<const std::int64_t> shape);
  std::vector<float> vector(const std::string& name, std::int64_t size);
  HalfLinear half(const TensorView& tensor);
  TernaryLinear ternary(const TensorView& tensor);
  TernaryLinear hf_packed(const TensorView& tensor, std::int64_t rows);
  TernaryLinear ternarized(const TensorView& tensor);
  float hf_scale(const std::string& weight_name);

  Container container_;
  std::string origin_;
  Find find_;
  HfQuantization quantization_;
  const kernels::KernelTable& table_;
  ThreadPool& pool_;
  std::set<std::string> taken_;
};

}  // namespace tern::engine
