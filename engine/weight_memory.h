#pragma once
// Where the packed matrices of a model lie: one behind the other in large regions on huge pages. A
// matrix with an allocation of its own would leave up to 2 MiB, most or all of it, on small pages,
// where streaming is bound by the TLB; rounding each up would waste as much.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/aligned_buffer.h"

namespace tern::engine {

class WeightMemory {
 public:
  // 64-byte aligned, uninitialised; pages come to whoever touches them first. A region lives until
  // the last buffer in it is gone. Not thread-safe. Throws std::bad_alloc.
  kernels::AlignedBuffer<std::uint8_t> take(std::size_t bytes);

 private:
  std::shared_ptr<std::uint8_t> region_;
  std::size_t size_ = 0;
  std::size_t used_ = 0;
};

}  // namespace tern::engine
