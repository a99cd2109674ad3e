#pragma once
// A whole file, memory-mapped read-only (RAII). Throws Error when it cannot be opened, is a folder
// or is empty. A file that shrinks while mapped raises SIGBUS on access, as with every mmap.

#include <cstddef>
#include <filesystem>
#include <span>

namespace tern::engine {

class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

  // Lets go of the pages read so far, so that they do not count as this process's memory beside
  // what was made of them. bytes() stays valid: a page read again comes from the system's cache.
  void drop_pages() const noexcept;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace tern::engine
