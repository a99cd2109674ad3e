// Speed of products with listed rows: of 20 and 50 % of them, as trained and as random weights
// leave behind squared ReLU. Beside merely reading as many bytes in one piece.

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "tests/benchmarks/kernel_bench.h"

namespace tern::kernels {
namespace {

constexpr int kShares[] = {20, 50};  // per cent

std::vector<std::int32_t> random_rows(std::int64_t rows, int per_cent) {
  std::mt19937 random(3);
  std::vector<std::int32_t> list;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (static_cast<int>(random() % 100) < per_cent) list.push_back(static_cast<std::int32_t>(row));
  }
  return list;
}

// run(packed, list) on one copy after the other.
template <class Run>
void run_listed(benchmark::State& state, const KernelTable& table, std::size_t bytes, int pattern,
                const Shape& shape, int per_cent, Run&& run) {
  Rotation weights(bytes, {shape});
  std::memset(weights.first(), pattern, weights.bytes());
  weights.spread();
  const std::vector<std::int32_t> list = random_rows(shape.rows, per_cent);
  const std::size_t row_bytes = bytes / static_cast<std::size_t>(shape.rows);
  run_beside_read(
      state, table.vector, weights,
      [&](const std::uint8_t* packed) { run(packed, list.data(), std::ssize(list)); },
      list.size() * row_bytes);
}

void run_ternary(benchmark::State& state, const KernelTable& table, const Shape& shape,
                 int per_cent, bool add) {
  const SparseKernels& kernels = table.sparse;
  AlignedBuffer<std::int8_t> q(static_cast<std::size_t>(std::max(shape.rows, shape.cols)));
  std::fill(q.data(), q.data() + q.size(), std::int8_t{3});
  AlignedBuffer<std::int32_t> sums(static_cast<std::size_t>(shape.cols + kSparseLineCols));
  std::vector<float> y(static_cast<std::size_t>(shape.rows));
  const auto q_sum = static_cast<std::int32_t>(3 * shape.cols);
  const float scale = 0.01f;
  const QuantizedBatch x{q.data(), shape.cols, &q_sum, &scale, 1};
  // 0x55: all weights zero, which costs what any others do.
  run_listed(state, table, kernels.packed_bytes(shape.rows, shape.cols), 0x55, shape, per_cent,
             [&](const std::uint8_t* packed, const std::int32_t* list, std::int64_t count) {
               const TernaryMatrix w{packed, shape.rows, shape.cols};
               if (add) {
                 kernels.add_rows(w, q.data(), list, count, sums.data());
               } else {
                 kernels.dot_rows(w, x, list, count, y.data());
               }
             });
}

void run_half(benchmark::State& state, const KernelTable& table, HalfType type, const Shape& shape,
              int per_cent, bool add) {
  const SparseHalfKernels& kernels = table.sparse_half;
  const std::int64_t longest = std::max(shape.rows, shape.cols);
  const std::vector<float> x(static_cast<std::size_t>(longest), 0.5f);
  AlignedBuffer<float> y(static_cast<std::size_t>(longest));
  // A pattern that is a small normal number in both types.
  run_listed(state, table, kernels.packed_bytes(shape.rows, shape.cols), 0x3c, shape, per_cent,
             [&](const std::uint8_t* packed, const std::int32_t* list, std::int64_t count) {
               const HalfMatrix w{packed, type, shape.rows, shape.cols, 1.0f};
               if (add) {
                 kernels.add_rows(w, x.data(), list, count, 0, shape.cols, y.data());
               } else {
                 kernels.dot_rows(w, x.data(), list, count, y.data());
               }
             });
}

template <class Run>
void register_listed(const KernelTable& table, const std::string& type, const Shape& shape,
                     Run run) {
  for (const int per_cent : kShares) {
    for (const bool add : {false, true}) {
      const std::string name = std::string(table.name) + "/" + type + (add ? "/add/" : "/dot/") +
                               shape.name() + "/" + std::to_string(per_cent);
      benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
        run(state, per_cent, add);
      })->UseManualTime();
    }
  }
}

}  // namespace

void register_sparse(const KernelTable& table, const Shape& shape) {
  // Rows without a fast version borrow scalar's.
  const bool scalar_row = table.required == Feature::kNone;
  if (scalar_row || &table.sparse != &scalar::kSparse) {
    register_listed(table, "sparse_ternary", shape,
                    [&table, shape](benchmark::State& state, int per_cent, bool add) {
                      run_ternary(state, table, shape, per_cent, add);
                    });
  }
  if (!scalar_row && &table.sparse_half == &scalar::kSparseHalf) return;
  for (const auto& [name, type] :
       {std::pair("sparse_f16", HalfType::kF16), std::pair("sparse_bf16", HalfType::kBf16)}) {
    register_listed(table, name, shape,
                    [&table, shape, type = type](benchmark::State& state, int per_cent, bool add) {
                      run_half(state, table, type, shape, per_cent, add);
                    });
  }
}

}  // namespace tern::kernels
