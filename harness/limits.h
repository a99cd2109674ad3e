#pragma once
// The machine's measured limits: the denominators beside every speed.

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

}  // namespace tern::harness
