// Speed of the ternary kernels.

#include <random>
#include <vector>

#include "tests/benchmarks/kernel_bench.h"

namespace tern::kernels {
namespace {

void fill(const TernaryKernels& kernels, const Shape& shape, Rotation& weights) {
  std::mt19937 random(1);
  std::vector<std::int8_t> trits(static_cast<std::size_t>(shape.rows * shape.cols));
  for (std::int8_t& trit : trits)
    trit = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
  kernels.pack(trits.data(), 0, shape.rows, shape.rows, shape.cols, weights.first());
  weights.spread();
}

void run_ternary(benchmark::State& state, const KernelTable& table, const TernaryKernels& kernels,
                 const Case& what) {
  const Shape shape = what.shape;
  Rotation weights(kernels.packed_bytes(shape.rows, shape.cols), what);
  fill(kernels, shape, weights);
  static_assert(kQuantizedAlign == 64, "cols of all shapes are whole strides");
  AlignedBuffer<std::int8_t> q(static_cast<std::size_t>(shape.cols * what.tokens));
  std::mt19937 random(2);
  for (std::int8_t& value : q.span()) value = static_cast<std::int8_t>(random() % 255 - 127);
  const std::vector<std::int32_t> sums(static_cast<std::size_t>(what.tokens), 0);
  const std::vector<float> scales(static_cast<std::size_t>(what.tokens), 0.01f);
  AlignedBuffer<float> y(static_cast<std::size_t>(shape.rows * what.tokens));
  const QuantizedBatch x{q.data(), shape.cols, sums.data(), scales.data(), what.tokens};
  if (what.gemm) {
    const TernaryMatrix w{weights.first(), shape.rows, shape.cols};
    return run_beside_peak(state, kernels.peak, shape.macs(what.tokens),
                           [&] { kernels.gemm(w, x, y.data(), shape.rows, 0, shape.rows); });
  }
  run_beside_read(state, table.vector, weights, [&](const std::uint8_t* packed) {
    kernels.gemv({packed, shape.rows, shape.cols}, x, y.data(), 0, shape.rows);
  });
}

}  // namespace

void register_ternary(const KernelTable& table, const Case& what) {
  register_case(table, "ternary", what, [&table, what](benchmark::State& state) {
    run_ternary(state, table, table.ternary, what);
  });
  // Rows without a fast version borrow scalar's.
  const bool scalar_row = table.required == Feature::kNone;
  if (!scalar_row && &table.ternary_dense == &scalar::kTernaryDense) return;
  register_case(table, "ternary_dense", what, [&table, what](benchmark::State& state) {
    run_ternary(state, table, table.ternary_dense, what);
  });
}

}  // namespace tern::kernels
