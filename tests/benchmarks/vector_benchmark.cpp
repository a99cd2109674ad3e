// Speed of the vector, quantize and attention kernels of every row this machine can run, on one
// thread, at the sizes of BitNet b1.58 2B4T. stream_read runs over more memory than any cache
// holds; the others stay in cache, as they do between two matrices. Registered when the program
// starts; main is elsewhere. Example: tern_kernel_bench
// --benchmark_filter='avx2/(attention|vector)'

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "kernels/float16.h"
#include "kernels/ternary/ternary.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

constexpr std::int64_t kHidden = 2560;
constexpr std::int64_t kHeadDim = 128;
constexpr std::size_t kStreamBytes = std::size_t{256} << 20;

std::vector<float> ramp(std::int64_t n) {
  std::vector<float> out;
  for (std::int64_t i = 0; i < n; ++i)
    out.push_back(static_cast<float>(i * 37 % 101) / 50.0f - 1.0f);
  return out;
}

void count_elements(benchmark::State& state, std::int64_t n) {
  state.SetItemsProcessed(state.iterations() * n);
}

void bench_stream_read(benchmark::State& state, const VectorKernels& row) {
  AlignedBuffer<std::uint8_t> data(kStreamBytes);
  std::memset(data.data(), 1, data.bytes());
  for (auto _ : state) benchmark::DoNotOptimize(row.stream_read(data.data(), data.bytes()));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kStreamBytes));
}

void bench_rms_norm(benchmark::State& state, const VectorKernels& row) {
  const auto x = ramp(kHidden);
  std::vector<float> out(x.size());
  for (auto _ : state) {
    row.rms_norm(x.data(), x.data(), kHidden, 1e-5f, out.data());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  count_elements(state, kHidden);
}

void bench_silu_mul(benchmark::State& state, const VectorKernels& row) {
  const auto x = ramp(kHidden);
  std::vector<float> out(x.size());
  for (auto _ : state) {
    row.silu_mul(x.data(), x.data(), kHidden, out.data());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  count_elements(state, kHidden);
}

void bench_quantize_row(benchmark::State& state, const QuantizeKernels& row) {
  static_assert(kHidden % kQuantizedAlign == 0);
  const auto x = ramp(kHidden);
  AlignedBuffer<std::int8_t> q(kHidden);
  std::int32_t sum = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(row.quantize_row(x.data(), kHidden, q.data(), &sum));
    benchmark::ClobberMemory();
  }
  count_elements(state, kHidden);
}

// One block of keys or values in binary16.
std::vector<std::uint16_t> block_f16() {
  std::vector<std::uint16_t> out;
  for (const float x : ramp(kAttentionBlock * kHeadDim)) out.push_back(f32_to_f16(x));
  return out;
}

// The query heads that share a kv head in BitNet b1.58 2B4T.
constexpr std::int64_t kGroup = 4;

void bench_scores(benchmark::State& state, const AttentionKernels& row) {
  const auto q = ramp(kHeadDim);
  const std::vector<const float*> queries(kGroup, q.data());
  const auto k = block_f16();
  std::vector<float> scores(kGroup * kAttentionBlock);
  for (auto _ : state) {
    row.scores(queries.data(), kGroup, k.data(), CacheType::kF16, kHeadDim, 0.088f, 0,
               kAttentionBlock, scores.data(), kAttentionBlock);
    benchmark::ClobberMemory();
  }
  count_elements(state, kGroup * kAttentionBlock * kHeadDim);
}

void bench_weighted_sum(benchmark::State& state, const AttentionKernels& row) {
  const auto v = block_f16();
  const auto p = ramp(kGroup * kAttentionBlock);
  std::vector<float> outputs(kGroup * kHeadDim);
  std::vector<float*> out;
  for (std::int64_t i = 0; i < kGroup; ++i) out.push_back(outputs.data() + i * kHeadDim);
  for (auto _ : state) {
    row.weighted_sum(p.data(), kAttentionBlock, kGroup, v.data(), CacheType::kF16, kHeadDim, 0,
                     kAttentionBlock, out.data());
    benchmark::ClobberMemory();
  }
  count_elements(state, kGroup * kAttentionBlock * kHeadDim);
}

bool register_all() {
  for (const KernelTable* table : runnable_tables()) {
    const auto add = [table](const char* name, auto function, const auto& row) {
      benchmark::RegisterBenchmark(
          (std::string(table->name) + "/" + name).c_str(),
          [function, &row](benchmark::State& state) { function(state, row); });
    };
    add("vector/stream_read", bench_stream_read, table->vector);
    add("vector/rms_norm/2560", bench_rms_norm, table->vector);
    add("vector/silu_mul/2560", bench_silu_mul, table->vector);
    add("quantize/quantize_row/2560", bench_quantize_row, table->quantize);
    add("attention/scores/4x256x128", bench_scores, table->attention);
    add("attention/weighted_sum/4x256x128", bench_weighted_sum, table->attention);
  }
  return true;
}

[[maybe_unused]] const bool kRegistered = register_all();

}  // namespace
}  // namespace tern::kernels
