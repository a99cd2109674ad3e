#pragma once
// What the benchmarks of the matrix kernels share. Matrices rotate through more memory than any
// cache holds, so gemv shows what decoding sees. Every case is measured beside its limit, in turn
// and in the same process: gemv beside merely reading as many bytes, gemm beside the row's peak,
// the same arithmetic between registers. "share" is of that limit, so that neither a change of
// clock speed nor a neighbour on the memory bus passes for a change of the kernel.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "kernels/aligned_buffer.h"
#include "kernels/kernel_table.h"

namespace tern::kernels {

struct Shape {
  std::int64_t rows, cols;
  double macs(std::int64_t tokens) const { return static_cast<double>(rows * cols * tokens); }
  std::string name() const { return std::to_string(rows) + "x" + std::to_string(cols); }
};

// gemv (one token), or gemm with that many tokens.
struct Case {
  Shape shape;
  bool gemm = false;
  std::int64_t tokens = 1;
  // "gemv/2560x2560", "gemm/2560x2560/128"
  std::string name() const {
    return gemm ? "gemm/" + shape.name() + "/" + std::to_string(tokens) : "gemv/" + shape.name();
  }
};

// As many copies of one packed matrix as a case reads before it may come back to the first.
class Rotation {
 public:
  Rotation(std::size_t bytes, const Case& what);
  std::uint8_t* first() { return all_.data(); }
  void spread();  // the first copy to all others
  const std::uint8_t* next() {
    at_ = at_ + bytes_ < all_.size() ? at_ + bytes_ : 0;
    return all_.data() + at_;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_;
  AlignedBuffer<std::uint8_t> all_;
  std::size_t at_ = 0;
};

using Peak = std::int64_t (*)(std::int64_t rounds) noexcept;

// Multiply-adds per second between registers, over about two milliseconds.
double peak_rate(Peak peak);

template <class Work>
double seconds_of(Work&& work) {
  const auto started = std::chrono::steady_clock::now();
  work();
  benchmark::ClobberMemory();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

// `work` does `macs` multiply-adds; the peak is measured before and after it.
template <class Work>
void run_beside_peak(benchmark::State& state, Peak peak, double macs, Work&& work) {
  double seconds = 0;
  double at_peak = 0;  // multiply-adds that would have been possible
  double before = peak_rate(peak);
  for (auto _ : state) {
    const double elapsed = seconds_of(work);
    const double after = peak_rate(peak);
    state.SetIterationTime(elapsed);
    seconds += elapsed;
    at_peak += elapsed * (before + after) / 2;
    before = after;
  }
  const double done = macs * static_cast<double>(state.iterations());
  state.counters["GMAC/s"] = done * 1e-9 / seconds;
  state.counters["share"] = done / at_peak;
}

// work(packed) reads `bytes` of one copy (0: all); as many of the next copy are merely read, first
// or second in turn, because whatever runs second runs slower on some machines.
template <class Work>
void run_beside_read(benchmark::State& state, const VectorKernels& vector, Rotation& weights,
                     Work&& work, std::size_t bytes = 0) {
  if (bytes == 0) bytes = weights.bytes();
  double seconds = 0;
  double read_seconds = 0;
  bool read_first = false;
  const auto read = [&] {
    const std::uint8_t* packed = weights.next();
    read_seconds += seconds_of(
        [&] { benchmark::DoNotOptimize(vector.stream_read(packed, bytes / 256 * 256)); });
  };
  for (auto _ : state) {
    if (read_first) read();
    const std::uint8_t* packed = weights.next();
    const double elapsed = seconds_of([&] { work(packed); });
    if (!read_first) read();
    read_first = !read_first;
    state.SetIterationTime(elapsed);
    seconds += elapsed;
  }
  const double read_bytes = static_cast<double>(bytes) * static_cast<double>(state.iterations());
  state.counters["GB/s"] = read_bytes * 1e-9 / seconds;
  state.counters["share"] = read_seconds / seconds;
}

// Each registers the case for every type of its family as "<row>/<type>/<case>".
void register_ternary(const KernelTable& table, const Case& what);
void register_block(const KernelTable& table, const Case& what);
void register_half(const KernelTable& table, const Case& what);
void register_bf16(const KernelTable& table,
                   const Case& what);  // of register_half's types only that
// Listed rows of matrices of that shape.
void register_sparse(const KernelTable& table, const Shape& shape);

template <class Run>
void register_case(const KernelTable& table, const std::string& type, const Case& what, Run run) {
  benchmark::RegisterBenchmark((std::string(table.name) + "/" + type + "/" + what.name()).c_str(),
                               run)
      ->UseManualTime();
}

}  // namespace tern::kernels
