// Speed of the kernels for float weights.

#include <cstring>
#include <utility>
#include <vector>

#include "tests/benchmarks/kernel_bench.h"

namespace tern::kernels {
namespace {

void run_half(benchmark::State& state, const KernelTable& table, HalfType type, const Case& what) {
  const HalfKernels& kernels = table.half;
  const Shape shape = what.shape;
  Rotation weights(kernels.packed_bytes(type, shape.rows, shape.cols), what);
  // A pattern that is a small normal number in every type: speed must not depend on subnormals.
  std::memset(weights.first(), 0x3c, weights.bytes());
  weights.spread();
  const std::vector<float> x(static_cast<std::size_t>(shape.cols * what.tokens), 0.5f);
  AlignedBuffer<float> y(static_cast<std::size_t>(shape.rows * what.tokens));
  if (what.gemm) {
    const HalfMatrix w{weights.first(), type, shape.rows, shape.cols, 1.0f};
    const auto peak = type == HalfType::kBf16 ? kernels.peak_bf16 : kernels.peak;
    return run_beside_peak(state, peak, shape.macs(what.tokens), [&] {
      kernels.gemm(w, x.data(), shape.cols, what.tokens, y.data(), shape.rows, 0, shape.rows);
    });
  }
  run_beside_read(state, table.vector, weights, [&](const std::uint8_t* packed) {
    kernels.gemv({packed, type, shape.rows, shape.cols, 1.0f}, x.data(), y.data(), 0, shape.rows);
  });
}

void register_type(const KernelTable& table, const char* name, HalfType type, const Case& what) {
  register_case(table, name, what, [&table, what, type](benchmark::State& state) {
    run_half(state, table, type, what);
  });
}

}  // namespace

void register_bf16(const KernelTable& table, const Case& what) {
  register_type(table, "bf16", HalfType::kBf16, what);
}

void register_half(const KernelTable& table, const Case& what) {
  register_type(table, "f16", HalfType::kF16, what);
  register_bf16(table, what);
}

}  // namespace tern::kernels
