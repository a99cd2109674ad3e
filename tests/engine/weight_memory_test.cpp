#include "engine/weight_memory.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using Buffer = kernels::AlignedBuffer<std::uint8_t>;

TEST_CASE("buffers of one memory lie apart, aligned, and keep what is written", "[weight_memory]") {
  engine::WeightMemory memory;
  const std::vector<std::size_t> sizes = {1, 64,      65,      1000000, 3 << 20,
                                          0, 5 << 20, 9 << 20, 7,       40 << 20};
  std::vector<Buffer> buffers;
  for (const std::size_t size : sizes) {
    buffers.push_back(memory.take(size));
    Buffer& buffer = buffers.back();
    REQUIRE(buffer.size() == size);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % Buffer::kAlignment == 0);
    std::memset(buffer.data(), static_cast<int>(buffers.size()), size);
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const auto span = buffers[i].span();
    const bool kept =
        std::all_of(span.begin(), span.end(), [&](std::uint8_t byte) { return byte == i + 1; });
    CHECK(kept);
  }
}

TEST_CASE("a buffer outlives the memory it was taken from, and the others", "[weight_memory]") {
  Buffer kept;
  {
    engine::WeightMemory memory;
    const Buffer other = memory.take(5000);
    kept = memory.take(5000);
    std::memset(kept.data(), 42, 5000);
  }
  CHECK(kept[0] == 42);
  CHECK(kept[4999] == 42);
}

TEST_CASE("what is large has an allocation of its own", "[weight_memory]") {
  engine::WeightMemory memory;
  const Buffer before = memory.take(100);
  const Buffer large = memory.take(std::size_t{100} << 20);
  const Buffer behind = memory.take(100);
  CHECK(behind.data() == before.data() + 128);
  CHECK(reinterpret_cast<std::uintptr_t>(large.data()) % Buffer::kHugePage == 0);
}

}  // namespace
}  // namespace tern::tests
