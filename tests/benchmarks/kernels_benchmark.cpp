// Speed of the matrix kernels of every row this machine can run, on one thread, at the layer shapes
// of BitNet b1.58 2B4T. Matrices rotate through more memory than any cache holds, so gemv shows
// what decoding sees; "read" is the same amount of memory merely read, the most that gemv can
// reach. gemm has beside it the row's peak, the same arithmetic between registers, measured before
// and after it: "share" is of their mean, so that a change of clock speed does not pass for a
// change of the kernel. Example: tern_benchmarks
// --benchmark_filter='avx512vnni/ternary/.*/2560x2560'

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

constexpr std::size_t kRotatedBytes = std::size_t{160} << 20;

struct Shape {
  std::int64_t rows, cols;
  double macs(std::int64_t tokens) const { return static_cast<double>(rows * cols * tokens); }
  std::string name() const { return std::to_string(rows) + "x" + std::to_string(cols); }
};

// As many copies of one packed matrix as fill kRotatedBytes, taken in turn.
class Rotation {
 public:
  Rotation(std::size_t bytes, std::size_t copies) : bytes_(bytes), all_(bytes * copies) {}
  std::uint8_t* first() { return all_.data(); }
  void spread() {
    for (std::size_t at = bytes_; at < all_.size(); at += bytes_) {
      std::memcpy(all_.data() + at, all_.data(), bytes_);
    }
  }
  const std::uint8_t* next() {
    at_ = at_ + bytes_ < all_.size() ? at_ + bytes_ : 0;
    return all_.data() + at_;
  }

 private:
  std::size_t bytes_;
  AlignedBuffer<std::uint8_t> all_;
  std::size_t at_ = 0;
};

std::size_t copies_for(std::size_t bytes, std::int64_t tokens) {
  return tokens > 1 ? 1 : kRotatedBytes / bytes + 1;
}

void count(benchmark::State& state, std::size_t bytes, const Shape& shape) {
  const auto iterations = static_cast<double>(state.iterations());
  state.counters["bytes/s"] =
      benchmark::Counter(static_cast<double>(bytes) * iterations, benchmark::Counter::kIsRate);
  state.counters["ops/s"] =
      benchmark::Counter(2 * shape.macs(1) * iterations, benchmark::Counter::kIsRate);
}

Rotation ternary_weights(const TernaryKernels& kernels, Shape shape, std::size_t copies) {
  std::mt19937 random(1);
  std::vector<std::int8_t> trits(static_cast<std::size_t>(shape.rows * shape.cols));
  for (std::int8_t& trit : trits)
    trit = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
  Rotation weights(kernels.packed_bytes(shape.rows, shape.cols), copies);
  kernels.pack(trits.data(), 0, shape.rows, shape.rows, shape.cols, weights.first());
  weights.spread();
  return weights;
}

using Peak = std::int64_t (*)(std::int64_t rounds) noexcept;

// Multiply-adds per second between registers, over about two milliseconds.
double peak_rate(Peak peak) {
  using Clock = std::chrono::steady_clock;
  const auto started = Clock::now();
  std::int64_t done = 0;
  auto elapsed = started - started;
  do {
    done += peak(10000);
    elapsed = Clock::now() - started;
  } while (elapsed < std::chrono::milliseconds(2));
  return static_cast<double>(done) / std::chrono::duration<double>(elapsed).count();
}

// `work` does `macs` multiply-adds. Timed by hand: the peaks around it are not part of it.
template <class Work>
void run_beside_peak(benchmark::State& state, Peak peak, double macs, Work&& work) {
  using Clock = std::chrono::steady_clock;
  double seconds = 0;
  double at_peak = 0;  // multiply-adds that would have been possible
  double before = peak_rate(peak);
  for (auto _ : state) {
    const auto started = Clock::now();
    work();
    benchmark::ClobberMemory();
    const double elapsed = std::chrono::duration<double>(Clock::now() - started).count();
    const double after = peak_rate(peak);
    state.SetIterationTime(elapsed);
    seconds += elapsed;
    at_peak += elapsed * (before + after) / 2;
    before = after;
  }
  const double done = macs * static_cast<double>(state.iterations());
  state.counters["ops/s"] = 2 * done / seconds;
  state.counters["share"] = done / at_peak;
}

void run_ternary(benchmark::State& state, const TernaryKernels& kernels, Shape shape,
                 std::int64_t tokens) {
  const std::size_t bytes = kernels.packed_bytes(shape.rows, shape.cols);
  Rotation weights = ternary_weights(kernels, shape, copies_for(bytes, tokens));
  AlignedBuffer<std::int8_t> q(
      static_cast<std::size_t>(shape.cols * tokens));  // cols: whole strides
  std::mt19937 random(2);
  for (std::int8_t& value : q.span()) value = static_cast<std::int8_t>(random() % 255 - 127);
  const std::vector<std::int32_t> sums(static_cast<std::size_t>(tokens), 0);
  const std::vector<float> scales(static_cast<std::size_t>(tokens), 0.01f);
  AlignedBuffer<float> y(static_cast<std::size_t>(shape.rows * tokens));
  const QuantizedBatch x{q.data(), shape.cols, sums.data(), scales.data(), tokens};
  if (tokens > 1) {
    const TernaryMatrix w{weights.first(), shape.rows, shape.cols};
    return run_beside_peak(state, kernels.peak, shape.macs(tokens),
                           [&] { kernels.gemm(w, x, y.data(), shape.rows, 0, shape.rows); });
  }
  for (auto _ : state) {
    kernels.gemv({weights.next(), shape.rows, shape.cols}, x, y.data(), 0, shape.rows);
    benchmark::ClobberMemory();
  }
  count(state, bytes, shape);
}

void run_half(benchmark::State& state, const KernelTable& table, HalfType type, Shape shape,
              std::int64_t tokens) {
  const HalfKernels& kernels = table.half;
  const std::size_t bytes = kernels.packed_bytes(type, shape.rows, shape.cols);
  Rotation weights(bytes, copies_for(bytes, tokens));
  // A pattern that is a small normal number in every type: speed must not depend on subnormals.
  std::memset(weights.first(), 0x3c, bytes);
  weights.spread();
  const std::vector<float> x(static_cast<std::size_t>(shape.cols * tokens), 0.5f);
  AlignedBuffer<float> y(static_cast<std::size_t>(shape.rows * tokens));
  if (tokens > 1) {
    const HalfMatrix w{weights.first(), type, shape.rows, shape.cols, 1.0f};
    return run_beside_peak(state, kernels.peak, shape.macs(tokens), [&] {
      kernels.gemm(w, x.data(), shape.cols, tokens, y.data(), shape.rows, 0, shape.rows);
    });
  }
  for (auto _ : state) {
    kernels.gemv({weights.next(), type, shape.rows, shape.cols, 1.0f}, x.data(), y.data(), 0,
                 shape.rows);
    benchmark::ClobberMemory();
  }
  count(state, bytes, shape);
}

// gemm's share is of the ternary kernels' peak: the same dot products between registers.
void run_block(benchmark::State& state, const KernelTable& table, BlockType type, Shape shape,
               std::int64_t tokens) {
  const BlockKernels& kernels = table.block;
  const std::size_t bytes = kernels.packed_bytes(type, shape.rows, shape.cols);
  Rotation weights(bytes, copies_for(bytes, tokens));
  // A pattern that is a small normal number in binary16: speed must not depend on subnormals.
  std::memset(weights.first(), 0x2c, bytes);
  weights.spread();
  AlignedBuffer<std::int8_t> q(
      static_cast<std::size_t>(shape.cols * tokens));  // cols: whole strides
  std::memset(q.data(), 3, q.size());
  const std::vector<std::int32_t> sums(q.size() / 16, 48);
  const std::vector<float> scales(q.size() / kQuantBlock, 0.5f);
  AlignedBuffer<float> y(static_cast<std::size_t>(shape.rows * tokens));
  const BlockBatch x{q.data(), sums.data(), scales.data(), shape.cols, tokens};
  if (tokens > 1) {
    const BlockMatrix w{weights.first(), type, shape.rows, shape.cols, 1.0f};
    return run_beside_peak(state, table.ternary.peak, shape.macs(tokens),
                           [&] { kernels.gemm(w, x, y.data(), shape.rows, 0, shape.rows); });
  }
  for (auto _ : state) {
    kernels.gemv({weights.next(), type, shape.rows, shape.cols, 1.0f}, x, y.data(), 0, shape.rows);
    benchmark::ClobberMemory();
  }
  count(state, bytes, shape);
}

// The denominator: `bytes` of memory read and nothing else.
void run_read(benchmark::State& state, const KernelTable& table, std::size_t bytes) {
  Rotation memory(bytes, copies_for(bytes, 1));
  std::memset(memory.first(), 1, bytes);
  memory.spread();
  for (auto _ : state) benchmark::DoNotOptimize(table.vector.stream_read(memory.next(), bytes));
  state.counters["bytes/s"] =
      benchmark::Counter(static_cast<double>(bytes) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}

void register_shape(const KernelTable& table, Shape shape) {
  const std::string row = table.name;
  // Scalar is the oracle: one small batch tells how slow it is.
  const bool oracle = table.required == Feature::kNone;
  const std::vector<std::int64_t> batches =
      oracle ? std::vector<std::int64_t>{1, 8} : std::vector<std::int64_t>{1, 8, 64, 512};
  const auto bytes = table.ternary.packed_bytes(shape.rows, shape.cols);
  benchmark::RegisterBenchmark((row + "/read/" + shape.name()).c_str(),
                               [&table, bytes](benchmark::State& s) { run_read(s, table, bytes); });
  const auto add = [](const std::string& name, std::int64_t tokens, auto run) {
    auto* added = benchmark::RegisterBenchmark(name.c_str(), run);
    if (tokens > 1) added->UseManualTime();
  };
  for (const std::int64_t tokens : batches) {
    const std::string what = tokens == 1 ? "/gemv/" + shape.name()
                                         : "/gemm/" + shape.name() + "/" + std::to_string(tokens);
    add(row + "/ternary" + what, tokens,
        [=, &table](benchmark::State& s) { run_ternary(s, table.ternary, shape, tokens); });
    if (oracle || &table.ternary_dense != &scalar::kTernaryDense) {
      add(row + "/ternary_dense" + what, tokens,
          [=, &table](benchmark::State& s) { run_ternary(s, table.ternary_dense, shape, tokens); });
    }
    add(row + "/f16" + what, tokens,
        [=, &table](benchmark::State& s) { run_half(s, table, HalfType::kF16, shape, tokens); });
    add(row + "/bf16" + what, tokens,
        [=, &table](benchmark::State& s) { run_half(s, table, HalfType::kBf16, shape, tokens); });
    add(row + "/q8_0" + what, tokens,
        [=, &table](benchmark::State& s) { run_block(s, table, BlockType::kQ8_0, shape, tokens); });
    add(row + "/q4_0" + what, tokens,
        [=, &table](benchmark::State& s) { run_block(s, table, BlockType::kQ4_0, shape, tokens); });
    add(row + "/q6_k" + what, tokens,
        [=, &table](benchmark::State& s) { run_block(s, table, BlockType::kQ6_K, shape, tokens); });
  }
}

}  // namespace
}  // namespace tern::kernels

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  for (const tern::kernels::KernelTable* table : tern::kernels::runnable_tables()) {
    for (const tern::kernels::Shape shape :
         {tern::kernels::Shape{2560, 2560}, {6912, 2560}, {2560, 6912}}) {
      tern::kernels::register_shape(*table, shape);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
