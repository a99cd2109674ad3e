#include "engine/formats/gguf_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>
#include <set>
#include <system_error>
#include <type_traits>
#include <utility>

#include "engine/error.h"
#include "engine/formats/blocks.h"
#include "engine/formats/gguf_layout.h"

namespace tern::engine {
namespace {

using gguf::ValueType;

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

template <typename T>
void append(std::string& out, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  out.append(raw, sizeof(T));
}

void append_string(std::string& out, std::string_view text) {
  append(out, static_cast<std::uint64_t>(text.size()));
  out += text;
}

// The narrowest of the two usual widths that holds every value: readers of other projects insist on
// u32 and i32 for the keys they know.
ValueType type_of(std::span<const std::uint64_t> values) {
  const bool fit = std::all_of(values.begin(), values.end(), [](auto v) {
    return v <= std::numeric_limits<std::uint32_t>::max();
  });
  return fit ? ValueType::kU32 : ValueType::kU64;
}

ValueType type_of(std::span<const std::int64_t> values) {
  const bool fit = std::all_of(values.begin(), values.end(), [](auto v) {
    return v >= std::numeric_limits<std::int32_t>::min() &&
           v <= std::numeric_limits<std::int32_t>::max();
  });
  return fit ? ValueType::kI32 : ValueType::kI64;
}

ValueType type_of(std::span<const double>) { return ValueType::kF32; }
ValueType type_of(const std::vector<bool>&) { return ValueType::kBool; }
ValueType type_of(std::span<const std::string>) { return ValueType::kString; }

void append_as(std::string& out, ValueType type, std::uint64_t value) {
  if (type == ValueType::kU32) return append(out, static_cast<std::uint32_t>(value));
  append(out, value);
}

void append_as(std::string& out, ValueType type, std::int64_t value) {
  if (type == ValueType::kI32) return append(out, static_cast<std::int32_t>(value));
  append(out, value);
}

void append_as(std::string& out, ValueType, double value) {
  append(out, static_cast<float>(value));
}
void append_as(std::string& out, ValueType, bool value) {
  append(out, static_cast<std::uint8_t>(value));
}
void append_as(std::string& out, ValueType, const std::string& value) { append_string(out, value); }

template <typename T>
void append_value(std::string& out, const T& value) {
  const std::vector<T> one = {value};
  const ValueType type = type_of(one);
  append(out, type);
  append_as(out, type, value);
}

template <typename T>
void append_value(std::string& out, const std::vector<T>& values) {
  const ValueType type = type_of(values);
  append(out, ValueType::kArray);
  append(out, type);
  append(out, static_cast<std::uint64_t>(values.size()));
  for (const auto& value : values) append_as(out, type, static_cast<const T&>(value));
}

// Distinct within the process; the process id keeps two processes apart.
std::string temporary_suffix() {
  static std::atomic<unsigned> count{0};
  return "." + std::to_string(::getpid()) + "-" + std::to_string(count.fetch_add(1)) + ".tmp";
}

struct Declared {
  std::string name;
  DType type;
  std::vector<std::int64_t> shape;
  std::uint64_t offset;
  std::uint64_t bytes;
};

}  // namespace

struct GgufWriter::Impl {
  std::filesystem::path target;
  std::filesystem::path temporary;  // has a name in the folder; empty while the file has none
  int fd = -1;
  bool failed = false;

  std::string metadata;
  std::set<std::string> keys;
  std::vector<Declared> tensors;
  std::set<std::string> names;
  std::uint64_t data_bytes = 0;  // of all declared tensors, padding between them included

  bool header_written = false;
  std::size_t current = 0;          // tensor being written
  std::uint64_t written_bytes = 0;  // of the current tensor
  std::string buffer;

  ~Impl() {
    if (fd >= 0) ::close(fd);
    if (!temporary.empty()) ::unlink(temporary.c_str());
  }

  [[noreturn]] void fail(const std::string& expected, const std::string& got) {
    failed = true;
    throw Error("writing " + target.string() + ": expected " + expected + ", got " + got);
  }

  [[noreturn]] void fail_system(const std::string& expected, int error) {
    fail(expected, "\"" + std::generic_category().message(error) + "\"");
  }

  std::filesystem::path folder() const {
    return target.has_parent_path() ? target.parent_path() : ".";
  }
  std::filesystem::path temporary_name() const {
    std::filesystem::path name = target;
    name += temporary_suffix();
    return name;
  }

  void open();
  void give_name();
  void require_space(std::uint64_t bytes);
  void drain(const std::byte* data, std::size_t size);
  void flush();
  void put(std::span<const std::byte> piece);
  void put(std::string_view text) { put(std::as_bytes(std::span(text.data(), text.size()))); }
  void pad(std::uint64_t bytes) {
    put(std::string(gguf::align_up(bytes, gguf::kDefaultAlignment) - bytes, 0));
  }
  void write_header();
  void sync_folder();
};

void GgufWriter::Impl::open() {
  struct stat facts = {};
  if (::stat(target.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode)) {
    fail("the name of a file", S_ISDIR(facts.st_mode) ? "a folder" : "a device, pipe or socket");
  }
  // A file without a name goes away with the process, however that ends. Where the file system has
  // none, or no /proc can name it later, one with a temporary name must do.
  if (::access("/proc/self/fd", X_OK) == 0) {
    fd = ::open(folder().c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    if (fd >= 0) return;
  }
  std::filesystem::path name = temporary_name();
  fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) fail_system("a folder that can be written", errno);
  temporary = std::move(name);
}

// link() does not replace a file and rename() does, so the finished file has two names in turn.
void GgufWriter::Impl::give_name() {
  if (temporary.empty()) {
    std::filesystem::path name = temporary_name();
    const std::string self = "/proc/self/fd/" + std::to_string(fd);
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      fail_system("to name the file", errno);
    temporary = std::move(name);
  }
  if (::rename(temporary.c_str(), target.c_str()) != 0) fail_system("to name the file", errno);
  temporary.clear();
}

// Said before anything is written: the disk would be full for everybody else meanwhile.
void GgufWriter::Impl::require_space(std::uint64_t bytes) {
  struct statvfs disk = {};
  if (::fstatvfs(fd, &disk) != 0) return;
  const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (free < bytes) {
    fail(std::to_string(bytes >> 20) + " MiB of free disk space",
         std::to_string(free >> 20) + " MiB");
  }
}

void GgufWriter::Impl::drain(const std::byte* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_system("room for the whole model", n < 0 ? errno : ENOSPC);
    data += n;
    size -= static_cast<std::size_t>(n);
  }
}

void GgufWriter::Impl::flush() {
  drain(reinterpret_cast<const std::byte*>(buffer.data()), buffer.size());
  buffer.clear();
}

// Small pieces are gathered; large ones go out as they are.
void GgufWriter::Impl::put(std::span<const std::byte> piece) {
  if (buffer.size() + piece.size() > kBufferBytes) flush();
  if (piece.size() > kBufferBytes) return drain(piece.data(), piece.size());
  buffer.append(reinterpret_cast<const char*>(piece.data()), piece.size());
}

void GgufWriter::Impl::write_header() {
  std::string head(gguf::kMagic);
  append(head, std::uint32_t{3});
  append(head, static_cast<std::uint64_t>(tensors.size()));
  append(head, static_cast<std::uint64_t>(keys.size()));
  head += metadata;
  for (const Declared& tensor : tensors) {
    append_string(head, tensor.name);
    append(head, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto d = tensor.shape.rbegin(); d != tensor.shape.rend(); ++d) {
      append(head, static_cast<std::uint64_t>(*d));
    }
    append(head, gguf::tensor_type(tensor.type)->id);
    append(head, tensor.offset);
  }
  require_space(head.size() + data_bytes);
  put(head);
  pad(head.size());
  header_written = true;
}

// The rename must survive a power cut too. Some file systems cannot sync a folder: then it is best
// effort.
void GgufWriter::Impl::sync_folder() {
  const int folder_fd = ::open(folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd < 0) return;
  ::fsync(folder_fd);
  ::close(folder_fd);
}

GgufWriter::GgufWriter(std::filesystem::path target) : impl_(std::make_unique<Impl>()) {
  impl_->target = std::move(target);
  impl_->open();
}

GgufWriter::~GgufWriter() = default;

void GgufWriter::set(const std::string& key, const GgufValue& value) {
  if (impl_->header_written) impl_->fail("metadata before tensor data", "key " + quote_name(key));
  if (key == gguf::kAlignmentKey) impl_->fail("the default alignment", "key " + quote_name(key));
  if (!impl_->keys.insert(key).second) impl_->fail("each key once", "a second " + quote_name(key));
  append_string(impl_->metadata, key);
  std::visit([&](const auto& v) { append_value(impl_->metadata, v); }, value);
}

void GgufWriter::declare_tensor(const std::string& name, DType type,
                                const std::vector<std::int64_t>& shape) {
  const std::string what = "tensor " + quote_name(name);
  if (impl_->header_written) impl_->fail("declarations before tensor data", what);
  if (gguf::tensor_type(type) == nullptr) {
    impl_->fail("types that GGUF has", what + " of type " + std::string(engine::name(type)));
  }
  const TensorView view{name, type, shape, {}};
  const bool sane = !shape.empty() && shape.size() <= gguf::kMaxDimensions &&
                    std::all_of(shape.begin(), shape.end(), [](auto d) { return d >= 1; });
  const std::int64_t bytes = sane ? tensor_bytes(type, shape) : -1;
  if (bytes < 0) {
    impl_->fail("1 to 4 dimensions of at least 1 in whole blocks", what + ", " + describe(view));
  }
  if (!impl_->names.insert(name).second) impl_->fail("each tensor once", "a second " + what);
  const std::uint64_t offset = gguf::align_up(impl_->data_bytes, gguf::kDefaultAlignment);
  impl_->tensors.push_back({name, type, shape, offset, static_cast<std::uint64_t>(bytes)});
  impl_->data_bytes = offset + static_cast<std::uint64_t>(bytes);
}

void GgufWriter::write(std::span<const std::byte> piece) {
  if (impl_->failed) impl_->fail("no writing after a failure", "more data");
  if (!impl_->header_written) impl_->write_header();
  if (piece.empty()) return;
  if (impl_->current == impl_->tensors.size())
    impl_->fail("no data after the last tensor", "more data");
  const Declared& tensor = impl_->tensors[impl_->current];
  if (piece.size() > tensor.bytes - impl_->written_bytes) {
    impl_->fail(std::to_string(tensor.bytes) + " bytes of tensor " + quote_name(tensor.name),
                std::to_string(impl_->written_bytes + piece.size()));
  }
  impl_->put(piece);
  impl_->written_bytes += piece.size();
  if (impl_->written_bytes < tensor.bytes) return;
  impl_->pad(tensor.bytes);
  ++impl_->current;
  impl_->written_bytes = 0;
}

void GgufWriter::finish() {
  Impl& w = *impl_;
  if (w.failed) w.fail("no finish after a failure", "one");
  if (w.fd < 0) w.fail("finish once", "a second call");
  if (!w.header_written) w.write_header();
  if (w.current < w.tensors.size()) {
    const Declared& tensor = w.tensors[w.current];
    w.fail(std::to_string(tensor.bytes) + " bytes of tensor " + quote_name(tensor.name),
           std::to_string(w.written_bytes));
  }
  w.flush();
  if (::fsync(w.fd) != 0) w.fail_system("the model on disk", errno);
  // Delayed write errors of network file systems show up at the latest with the last close, and
  // those have named their file from the start.
  if (!w.temporary.empty() && ::close(std::exchange(w.fd, -1)) != 0)
    w.fail_system("the model on disk", errno);
  w.give_name();
  if (w.fd >= 0) ::close(std::exchange(w.fd, -1));
  w.sync_folder();
}

}  // namespace tern::engine
