#pragma once
// In which of the kernels' layouts the ternary weights of a model lie in memory: 2 bits a weight,
// or 1.6 bits, which are fewer bytes to read and more work to unpack. The answers are the same
// bits; which one is faster depends on the machine and the threads, so it can be measured.

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/kernel_table.h"

namespace tern::engine {

class ThreadPool;

enum class TernaryBits { k2, k1_6 };
const char* name(TernaryBits bits) noexcept;  // "2", "1.6"
double bits_per_weight(TernaryBits bits) noexcept;

// Bytes of that many ternary weights, but for padding.
std::int64_t ternary_bytes(std::int64_t weights, TernaryBits bits) noexcept;

const kernels::TernaryKernels& ternary_kernels(const kernels::KernelTable& table,
                                               TernaryBits bits) noexcept;

// Medians of some rounds of gemv over made-up weights in both layouts, on all threads of a pool.
struct TernaryAutotune {
  std::int64_t weights = 0;  // of one pass
  int threads = 0;
  int rounds = 0;
  double pass_2_s = 0;    // seconds per pass at 2 bits a weight
  double pass_1_6_s = 0;  // and at 1.6
};

// 1.6 bits only where they win by a clear margin: they cost a little in prefill, and a tie of noisy
// figures should not decide differently every day.
TernaryBits faster(const TernaryAutotune& autotune) noexcept;

struct TernaryLayout {
  TernaryBits bits = TernaryBits::k2;
  std::string why;                          // a phrase: "as set"
  std::optional<TernaryAutotune> autotune;  // nothing: not measured
};

// asked: nullopt measures (tens of milliseconds; as much memory as the weights, at most about
// 100 MiB or 8 MiB per thread). weights: of the model's ternary layers.
TernaryLayout choose_ternary_layout(std::optional<TernaryBits> asked,
                                    const kernels::KernelTable& table, std::int64_t weights,
                                    ThreadPool& pool);

}  // namespace tern::engine
