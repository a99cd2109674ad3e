#include "engine/weight_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace tern::engine {
namespace {

using Buffer = kernels::AlignedBuffer<std::uint8_t>;

// Regions grow, so that small models stay small; what is not touched of one is no memory.
constexpr std::size_t kFirstRegion = Buffer::kHugePage;
constexpr std::size_t kLargestRegion = std::size_t{256} << 20;

// Rounding a matrix of this size to whole huge pages hardly matters.
constexpr std::size_t kOwnAllocation = std::size_t{64} << 20;

std::shared_ptr<std::uint8_t> map_region(std::size_t size) {
  // Room to move the begin to that of a huge page.
  const std::size_t mapped = size + Buffer::kHugePage;
  void* const p = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  const std::shared_ptr<void> mapping(p, [mapped](void* at) { ::munmap(at, mapped); });
  void* aligned = p;
  std::size_t room = mapped;
  std::align(Buffer::kHugePage, size, aligned, room);
  ::madvise(aligned, size, MADV_HUGEPAGE);  // a wish: where it is refused, small pages serve
  return {mapping, static_cast<std::uint8_t*>(aligned)};
}

}  // namespace

Buffer WeightMemory::take(std::size_t bytes) {
  if (bytes >= kOwnAllocation) return Buffer(bytes);
  const std::size_t needed =
      (bytes + Buffer::kAlignment - 1) / Buffer::kAlignment * Buffer::kAlignment;
  if (size_ - used_ < needed) {
    std::size_t size = std::clamp(2 * size_, kFirstRegion, kLargestRegion);
    while (size < needed) size *= 2;
    region_ = map_region(size);
    size_ = size;
    used_ = 0;
  }
  const std::shared_ptr<std::uint8_t> begin(region_, region_.get() + used_);
  used_ += needed;
  return Buffer(begin, bytes);
}

}  // namespace tern::engine
