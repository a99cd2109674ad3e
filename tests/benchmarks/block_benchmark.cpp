// Speed of the kernels for block-quantised weights. The share of gemm is of the ternary kernels'
// peak: the same dot products between registers.

#include <cstring>
#include <utility>
#include <vector>

#include "tests/benchmarks/kernel_bench.h"

namespace tern::kernels {
namespace {

void run_block(benchmark::State& state, const KernelTable& table, BlockType type,
               const Case& what) {
  const BlockKernels& kernels = table.block;
  const Shape shape = what.shape;
  Rotation weights(kernels.packed_bytes(type, shape.rows, shape.cols), what);
  // A pattern that is a small normal number in binary16: speed must not depend on subnormals.
  std::memset(weights.first(), 0x2c, weights.bytes());
  weights.spread();
  // cols of all shapes are whole strides.
  AlignedBuffer<std::int8_t> q(static_cast<std::size_t>(shape.cols * what.tokens));
  std::memset(q.data(), 3, q.size());
  const std::vector<std::int32_t> sums(q.size() / 16, 48);
  const std::vector<float> scales(q.size() / kQuantBlock, 0.5f);
  AlignedBuffer<float> y(static_cast<std::size_t>(shape.rows * what.tokens));
  const BlockBatch x{q.data(), sums.data(), scales.data(), shape.cols, what.tokens};
  if (what.gemm) {
    const BlockMatrix w{weights.first(), type, shape.rows, shape.cols, 1.0f};
    return run_beside_peak(state, table.ternary.peak, shape.macs(what.tokens),
                           [&] { kernels.gemm(w, x, y.data(), shape.rows, 0, shape.rows); });
  }
  run_beside_read(state, table.vector, weights, [&](const std::uint8_t* packed) {
    kernels.gemv({packed, type, shape.rows, shape.cols, 1.0f}, x, y.data(), 0, shape.rows);
  });
}

}  // namespace

void register_block(const KernelTable& table, const Case& what) {
  const std::pair<const char*, BlockType> types[] = {
      {"q8_0", BlockType::kQ8_0}, {"q4_0", BlockType::kQ4_0}, {"q6_k", BlockType::kQ6_K}};
  for (const auto& [name, type] : types) {
    register_case(table, name, what, [&table, what, type = type](benchmark::State& state) {
      run_block(state, table, type, what);
    });
  }
}

}  // namespace tern::kernels
