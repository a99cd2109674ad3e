#pragma once
// A fixed-size, 64-byte aligned array of trivial values; large ones ask for huge pages, because
// streaming gigabytes through 4 KiB pages is bound by the TLB. Its contents are uninitialised
// unless asked, so that a large model's pages are first touched by the threads that fill them.

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

namespace tern::kernels {

template <class T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr std::size_t kAlignment = 64;
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  AlignedBuffer() = default;
  // Throws std::bad_alloc when memory is short.
  explicit AlignedBuffer(std::size_t size) : data_(allocate(size)), size_(size) {}
  // Part of a larger region, which lives as long as this.
  AlignedBuffer(const std::shared_ptr<T>& begin, std::size_t size)
      : data_(begin.get(), {begin}), size_(size) {}

  T* data() noexcept { return data_.get(); }
  const T* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept { return size_ * sizeof(T); }
  T& operator[](std::size_t i) noexcept { return data_.get()[i]; }
  const T& operator[](std::size_t i) const noexcept { return data_.get()[i]; }
  std::span<T> span() noexcept { return {data(), size_}; }
  std::span<const T> span() const noexcept { return {data(), size_}; }

 private:
  struct Free {
    std::shared_ptr<T> region;  // null: an allocation of its own
    void operator()(T* p) const noexcept {
      if (region == nullptr) std::free(p);
    }
  };
  static T* allocate(std::size_t size) {
    if (size == 0) return nullptr;
    if (size > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
    const std::size_t needed = size * sizeof(T);
    const bool large = needed >= kHugePage;
    const std::size_t alignment = large ? kHugePage : kAlignment;
    const std::size_t bytes = (needed + alignment - 1) / alignment * alignment;
    void* p = std::aligned_alloc(alignment, bytes);
    if (p == nullptr) throw std::bad_alloc();
    // A wish: where it is refused, small pages serve. Only for whole huge pages: of a last one the
    // unused part would be memory too, some megabytes per layer.
    if (large) ::madvise(p, needed / kHugePage * kHugePage, MADV_HUGEPAGE);
    return static_cast<T*>(p);
  }
  std::unique_ptr<T, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace tern::kernels
