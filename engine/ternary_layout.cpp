#include "engine/ternary_layout.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "engine/thread_pool.h"
#include "kernels/aligned_buffer.h"

namespace tern::engine {
namespace {

using kernels::TernaryKernels;

constexpr double kMargin = 1.03;
constexpr int kRounds = 7;
constexpr std::int64_t kMib = std::int64_t{1} << 20;

// No cache of one core holds a thread's part, and hardly any machine's last-level cache the whole.
constexpr std::int64_t kMostBytes = 96 * kMib;
constexpr std::int64_t kBytesPerThread = 8 * kMib;
constexpr std::int64_t kSampleBytes = 32 * kMib;  // a sample of a small model is many passes

constexpr std::int64_t kCols = 2560;
constexpr std::int64_t kGrain = 64;  // rows

// One tall matrix whose every byte is 0x55, which is a weight of zero at 2 bits and some weights at
// 1.6: the time of gemv does not depend on them.
class MadeUpMatrix {
 public:
  MadeUpMatrix(const kernels::KernelTable& table, std::int64_t weights, ThreadPool& pool)
      : pool_(pool),
        rows_(std::max<std::int64_t>(weights / kCols / kGrain, pool.threads()) * kGrain),
        packed_(table.ternary.packed_bytes(rows_, kCols)),
        y_(static_cast<std::size_t>(rows_)),
        q_(kCols) {
    // Pages come to the memory of the thread that touches them first.
    pool.parallel_rows(rows_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      std::memset(packed_.data() + begin * kCols / 4, 0x55,
                  static_cast<std::size_t>((end - begin) * kCols / 4));
    });
    std::memset(q_.data(), 1, q_.bytes());
  }

  std::int64_t weights() const noexcept { return rows_ * kCols; }

  // Seconds of one pass, the mean of as many as make a sample.
  double pass_s(const TernaryKernels& kernels) {
    using Clock = std::chrono::steady_clock;
    const std::int64_t passes = std::max<std::int64_t>(1, kSampleBytes * 4 / weights());
    const auto started = Clock::now();
    for (std::int64_t i = 0; i < passes; ++i) {
      pool_.parallel_rows(rows_, kGrain, [&](std::int64_t begin, std::int64_t end) {
        const float scale = 1;
        const std::int32_t sum = kCols;
        kernels.gemv({packed_.data(), rows_, kCols}, {q_.data(), kCols, &sum, &scale, 1}, y_.data(),
                     begin, end);
      });
    }
    return std::chrono::duration<double>(Clock::now() - started).count() /
           static_cast<double>(passes);
  }

 private:
  ThreadPool& pool_;
  std::int64_t rows_;
  kernels::AlignedBuffer<std::uint8_t> packed_;
  kernels::AlignedBuffer<float> y_;
  kernels::AlignedBuffer<std::int8_t> q_;
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

TernaryAutotune measure(const kernels::KernelTable& table, std::int64_t weights, ThreadPool& pool) {
  const std::int64_t most = 4 * std::max(kMostBytes, kBytesPerThread * pool.threads());
  MadeUpMatrix matrix(table, std::min(weights, most), pool);
  std::vector<double> two, dense;
  for (int round = 0; round < kRounds; ++round) {
    // What runs second finds another clock and other caches: each is second every other time.
    if (round % 2 == 0) two.push_back(matrix.pass_s(table.ternary));
    dense.push_back(matrix.pass_s(table.ternary_dense));
    if (round % 2 == 1) two.push_back(matrix.pass_s(table.ternary));
  }
  return {matrix.weights(), pool.threads(), kRounds, median(two), median(dense)};
}

std::string figures(const TernaryAutotune& autotune) {
  char text[96];
  std::snprintf(text, sizeof(text), "measured: %.3f ms a pass at 1.6 bits, %.3f ms at 2 bits",
                autotune.pass_1_6_s * 1e3, autotune.pass_2_s * 1e3);
  return text;
}

}  // namespace

const char* name(TernaryBits bits) noexcept { return bits == TernaryBits::k2 ? "2" : "1.6"; }

double bits_per_weight(TernaryBits bits) noexcept { return bits == TernaryBits::k2 ? 2 : 1.6; }

std::int64_t ternary_bytes(std::int64_t weights, TernaryBits bits) noexcept {
  return bits == TernaryBits::k2 ? weights / 4 : weights / 5;
}

const TernaryKernels& ternary_kernels(const kernels::KernelTable& table,
                                      TernaryBits bits) noexcept {
  return bits == TernaryBits::k2 ? table.ternary : table.ternary_dense;
}

TernaryBits faster(const TernaryAutotune& autotune) noexcept {
  return autotune.pass_1_6_s * kMargin <= autotune.pass_2_s ? TernaryBits::k1_6 : TernaryBits::k2;
}

TernaryLayout choose_ternary_layout(std::optional<TernaryBits> asked,
                                    const kernels::KernelTable& table, std::int64_t weights,
                                    ThreadPool& pool) {
  if (asked.has_value()) return {*asked, "as set", {}};
  if (&table.ternary_dense == &kernels::scalar::kTernaryDense) {
    return {TernaryBits::k2,
            std::string("the kernels row ") + table.name + " has no fast kernels for 1.6 bits",
            {}};
  }
  const TernaryAutotune autotune = measure(table, weights, pool);
  return {faster(autotune), figures(autotune), autotune};
}

}  // namespace tern::engine
