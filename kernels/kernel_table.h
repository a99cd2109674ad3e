#pragma once
// One row of the dispatch grid: a complete set of kernels for one instruction set. A row that
// improves only some families borrows the others, which is visible in dispatch.cpp.

#include "kernels/attention/attention.h"
#include "kernels/block/block.h"
#include "kernels/cpu_features.h"
#include "kernels/half/half.h"
#include "kernels/quantize/quantize.h"
#include "kernels/sparse/sparse.h"
#include "kernels/sparse/sparse_half.h"
#include "kernels/ternary/ternary.h"
#include "kernels/vector/vector.h"

namespace tern::kernels {

struct KernelTable {
  const char* name;
  Feature required;
  const TernaryKernels& ternary;
  const TernaryKernels& ternary_dense;
  const SparseKernels& sparse;
  const SparseHalfKernels& sparse_half;
  const HalfKernels& half;
  const BlockKernels& block;
  const QuantizeKernels& quantize;
  const VectorKernels& vector;
  const AttentionKernels& attention;
};

}  // namespace tern::kernels
