#include "energy/sysfs_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <set>
#include <system_error>
#include <utility>

namespace tern::energy {
namespace {

constexpr std::uint64_t kMostCpus = 1 << 16;

std::optional<std::uint64_t> parse_digits(std::string_view text, int base) noexcept {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

FileText read_small_file(const std::string& path) {
  constexpr std::size_t kLimit = 64 * 1024;
  // Nothing here may wait: in a made-up tree a pipe could stand for a file.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return {"", errno};
  FileText file;
  char buffer[4096];
  while (file.text.size() < kLimit) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) file = {"", errno};
    if (got <= 0) break;
    file.text.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(fd);
  if (!file.text.empty() && file.text.back() == '\n') file.text.pop_back();
  return file;
}

std::optional<std::uint64_t> parse_count(std::string_view text) noexcept {
  return parse_digits(text, 10);
}

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
  if (!text.starts_with("0x")) return parse_count(text);
  return parse_digits(text.substr(2), 16);
}

std::optional<std::vector<int>> parse_cpu_list(std::string_view text) {
  std::set<int> cpus;
  while (true) {
    const std::string_view item = text.substr(0, text.find(','));
    const auto dash = item.find('-');
    const auto first = parse_count(item.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_count(item.substr(dash + 1));
    if (!first || !last || *last < *first || *last >= kMostCpus) return std::nullopt;
    for (auto cpu = *first; cpu <= *last; ++cpu) cpus.insert(static_cast<int>(cpu));
    if (item.size() == text.size()) break;
    text.remove_prefix(item.size() + 1);
  }
  return std::vector<int>(cpus.begin(), cpus.end());
}

std::string error_text(int error) { return std::generic_category().message(error); }

std::string under_root(const std::string& sysroot, std::string_view relative) {
  std::string path = sysroot;
  while (!path.empty() && path.back() == '/') path.pop_back();
  return path.append("/").append(relative);
}

CounterFile::CounterFile(const std::string& path)
    : path_(path),
      fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)),
      open_error_(fd_ < 0 ? errno : 0) {}

CounterFile::~CounterFile() {
  if (fd_ >= 0) ::close(fd_);
}

CounterFile::CounterFile(CounterFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      open_error_(other.open_error_) {}

int CounterFile::follow_replacement() const noexcept {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) return errno;
  if (status.st_nlink > 0) return 0;
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno;
  ::close(fd_);
  fd_ = fd;
  return 0;
}

int CounterFile::read(std::uint64_t& value) const noexcept {
  // sysfs never gives an empty counter; a plain file that another process rewrites is empty for a
  // moment (20 ms if it is busy) between truncation and write, so emptiness is asked again.
  constexpr int kTries = 40;
  if (const int error = follow_replacement()) return error;
  char buffer[32];
  ssize_t got = 0;
  for (int i = 0; i < kTries; ++i) {
    got = ::pread(fd_, buffer, sizeof buffer, 0);
    if (got < 0) return errno;
    if (got > 0) break;
    const timespec pause{0, 500'000};
    ::nanosleep(&pause, nullptr);
  }
  if (got == 0 || buffer[got - 1] != '\n') return EBADMSG;
  const auto count = parse_count({buffer, static_cast<std::size_t>(got - 1)});
  if (!count) return EBADMSG;
  value = *count;
  return 0;
}

}  // namespace tern::energy
