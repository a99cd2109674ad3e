#include "harness/limits.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "engine/model.h"
#include "engine/thread_pool.h"
#include "harness/build_info.h"
#include "harness/error.h"
#include "harness/machine.h"
#include "kernels/kernel_table.h"

namespace tern::harness {
namespace {

constexpr std::int64_t kMib = std::int64_t{1} << 20;
constexpr std::int64_t kSlice = 2 * kMib;  // parts begin on huge pages

// How hard to measure. The figures of a build that is not optimised are never quoted, and under a
// sanitizer or an emulator they cost minutes, so it only goes through the motions.
struct Effort {
  std::chrono::milliseconds read_budget{400};
  std::chrono::milliseconds peak_budget{30};
  std::int64_t peak_rounds = 10000;  // enough to hide the clock and the summing
  std::int64_t most_bytes = std::numeric_limits<std::int64_t>::max();
};
Effort effort() {
  using std::chrono::milliseconds;
  if (build_info().optimized) return {};
  return {milliseconds(10), milliseconds(1), 1000, 32 * kMib};
}

// An anonymous mapping on huge pages where the system gives them, so that the reading is of memory
// and not of the TLB.
class Buffer {
 public:
  explicit Buffer(std::int64_t bytes) : bytes_(bytes) {
    data_ = ::mmap(nullptr, size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data_ == MAP_FAILED) {
      throw Error(fmt::format("could not map {} MiB to measure the read bandwidth: {}",
                              bytes / kMib, std::strerror(errno)),
                  1);
    }
    ::madvise(data_, size(), MADV_HUGEPAGE);
  }
  ~Buffer() { ::munmap(data_, size()); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::byte* at(std::int64_t offset) noexcept { return static_cast<std::byte*>(data_) + offset; }
  std::int64_t bytes() const noexcept { return bytes_; }

 private:
  std::size_t size() const noexcept { return static_cast<std::size_t>(bytes_); }

  std::int64_t bytes_;
  void* data_;
};

// All caches of the last level together: "32768K" times its instances.
std::int64_t last_level_cache_bytes() {
  const nlohmann::json caches = machine_facts().at("caches");
  if (caches.empty()) return 0;
  const nlohmann::json& last = caches.back();  // rows are sorted by level
  const std::string size = last.at("size");
  const std::int64_t unit = size.ends_with('M') ? kMib : 1024;
  return std::strtoll(size.c_str(), nullptr, 10) * unit * last.at("instances").get<std::int64_t>();
}

// Four times what the caches could keep, but never more than a quarter of the memory that is free.
std::int64_t buffer_bytes() {
  const std::int64_t wanted = std::max(256 * kMib, 4 * last_level_cache_bytes());
  const std::int64_t most = std::max(engine::available_memory_bytes() / 4, 16 * kMib);
  return std::min({wanted, most, effort().most_bytes}) / kSlice * kSlice;
}

using Peak = std::int64_t (*)(std::int64_t rounds) noexcept;

double measure_peak(engine::ThreadPool& pool, Peak peak) {
  using Clock = std::chrono::steady_clock;
  constexpr int kPasses = 3;
  const Effort how = effort();
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    std::vector<double> rates(static_cast<std::size_t>(pool.threads()));
    pool.run([&](int member) {
      const auto started = Clock::now();
      std::int64_t done = 0;
      auto elapsed = started - started;
      do {
        done += peak(how.peak_rounds);
        elapsed = Clock::now() - started;
      } while (elapsed < how.peak_budget);
      rates[static_cast<std::size_t>(member)] =
          static_cast<double>(done) / std::chrono::duration<double>(elapsed).count();
    });
    best = std::max(best, std::accumulate(rates.begin(), rates.end(), 0.0));
  }
  return best;
}

}  // namespace

ComputePeaks measure_compute_peaks(engine::ThreadPool& pool, const kernels::KernelTable& table) {
  return {measure_peak(pool, table.ternary.peak), measure_peak(pool, table.half.peak),
          table.half.exact ? 0 : measure_peak(pool, table.half.peak_bf16)};
}

double measure_read_bandwidth(engine::ThreadPool& pool, const kernels::KernelTable& table) {
  using Clock = std::chrono::steady_clock;
  const auto budget = effort().read_budget;
  constexpr int kFewestPasses = 3;

  Buffer buffer(buffer_bytes());
  // Pages come to the memory of the thread that touches them first. Not zero, which some systems
  // would keep as one shared page.
  pool.parallel_rows(buffer.bytes(), kSlice, [&](std::int64_t begin, std::int64_t end) {
    std::memset(buffer.at(begin), 1, static_cast<std::size_t>(end - begin));
  });

  std::atomic<std::uint64_t> sink{0};  // what is read must be used
  double best_s = 0;
  const auto started = Clock::now();
  for (int pass = 0; pass < kFewestPasses || Clock::now() - started < budget; ++pass) {
    const auto begin_pass = Clock::now();
    pool.parallel_rows(buffer.bytes(), kSlice, [&](std::int64_t begin, std::int64_t end) {
      sink.fetch_add(
          table.vector.stream_read(buffer.at(begin), static_cast<std::size_t>(end - begin)),
          std::memory_order_relaxed);
    });
    const double elapsed_s = std::chrono::duration<double>(Clock::now() - begin_pass).count();
    if (pass == 0 || elapsed_s < best_s) best_s = elapsed_s;
  }
  return static_cast<double>(buffer.bytes()) / best_s;
}

MachineLimits measure_limits(engine::ThreadPool& pool, const kernels::KernelTable& table) {
  MachineLimits limits;
  limits.threads = pool.threads();
  const ComputePeaks peaks = measure_compute_peaks(pool, table);
  limits.int8_ops_per_s = 2 * peaks.int8_macs_per_s;
  limits.fp32_ops_per_s = 2 * peaks.fp32_macs_per_s;
  limits.bf16_ops_per_s = 2 * peaks.bf16_macs_per_s;
  try {
    limits.read_bytes_per_s = measure_read_bandwidth(pool, table);
  } catch (const Error& error) {
    limits.why = error.what();
  }
  return limits;
}

}  // namespace tern::harness
