#pragma once
// The machine's measured limits: the denominators beside every speed. A build that is not
// optimised (BuildInfo) measures them too briefly, and on too small a buffer, to be quoted.

#include "harness/roofline.h"

namespace tern::engine {
class ThreadPool;
}
namespace tern::kernels {
struct KernelTable;
}

namespace tern::harness {

// Bytes per second this team of threads reads from memory (a buffer far larger than the last-level
// cache, each thread its own contiguous part, the best of several passes). Takes about half a
// second.
double measure_read_bandwidth(engine::ThreadPool& pool, const kernels::KernelTable& table);

// All of them, as the roofline wants them; what could not be measured is 0 with a reason.
MachineLimits measure_limits(engine::ThreadPool& pool, const kernels::KernelTable& table);

// Multiply-adds per second of this team on registers alone, all threads together: the row's int8
// dot product and its binary32 fma, which bound the prefill of ternary and of FP16 layers, and, on
// rows that multiply BF16 by instructions of their own (otherwise 0), those. The best of several
// passes, a tenth of a second each.
struct ComputePeaks {
  double int8_macs_per_s;
  double fp32_macs_per_s;
  double bf16_macs_per_s;
};
ComputePeaks measure_compute_peaks(engine::ThreadPool& pool, const kernels::KernelTable& table);

}  // namespace tern::harness
