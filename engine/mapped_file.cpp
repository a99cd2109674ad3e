#include "engine/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

#include "engine/error.h"

namespace tern::engine {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& expected,
                       const std::string& got) {
  throw Error("model file " + path.string() + ": expected " + expected + ", got " + got);
}

std::string reason(int error) { return std::generic_category().message(error); }

// The mapping outlives the descriptor, which is closed on every way out.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe must fail below instead of waiting for its writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail(path, "a readable file", "\"" + reason(errno) + "\"");
  struct stat facts = {};
  if (::fstat(file.fd, &facts) != 0) fail(path, "a readable file", "\"" + reason(errno) + "\"");
  if (S_ISDIR(facts.st_mode)) fail(path, "a file", "a folder");
  if (!S_ISREG(facts.st_mode)) fail(path, "a regular file", "a device, pipe or socket");
  if (facts.st_size == 0) fail(path, "a model", "an empty file (0 bytes)");
  const auto size = static_cast<std::uintmax_t>(facts.st_size);
  if (size > std::numeric_limits<std::size_t>::max()) {
    fail(path, "a file that fits the address space", std::to_string(size) + " bytes");
  }
  void* data = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) fail(path, "a file that can be mapped", "\"" + reason(errno) + "\"");
  data_ = static_cast<const std::byte*>(data);
  size_ = static_cast<std::size_t>(size);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

// The mapping is never written to, so there is nothing that dropping its pages could lose.
void MappedFile::drop_pages() const noexcept {
  if (data_ != nullptr) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  // The old mapping moves into `other` and goes with it.
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace tern::engine
