#include "harness/fetch/download.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "harness/error.h"

namespace tern::harness {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr std::size_t kChecksumShown = 12;  // in the name of a part

[[noreturn]] void fail(const std::string& message) { throw Error(message, 1); }
[[noreturn]] void fail_system(const fs::path& path, const char* doing, int error) {
  fail(fmt::format("{}: cannot {}: {}", path.string(), doing, std::strerror(error)));
}

Digest begin_digest(const WantedFile& file) {
  Digest digest(file.digest);
  digest.add(file.digest_prefix);
  return digest;
}

// What has arrived so far: an open file that no other process may add to, and its checksum.
class Part {
 public:
  explicit Part(const WantedFile& file) : file_(file), digest_(begin_digest(file)) {
    path_ = file.to;
    if (!file.checksum.empty()) path_ += "." + file.checksum.substr(0, kChecksumShown);
    path_ += ".part";
    open();
    lock();
    // Without a checksum nobody can say whether an old part belongs to the file of today.
    if (file.checksum.empty()) restart();
    read_back();
  }
  ~Part() {
    if (fd_ >= 0) ::close(fd_);
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  std::int64_t bytes() const noexcept { return bytes_; }

  void add(std::string_view bytes) {
    if (file_.bytes && bytes_ + std::ssize(bytes) > *file_.bytes)
      fail(fmt::format("{}: expected {} bytes, got more", file_.name, *file_.bytes));
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const ssize_t written = ::write(fd_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_system(path_, "write", errno);
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    digest_.add(bytes);
    bytes_ += std::ssize(bytes);
  }

  void restart() {
    if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) < 0)
      fail_system(path_, "empty", errno);
    digest_ = begin_digest(file_);
    bytes_ = 0;
  }

  // Once all has arrived: under its own name, and there after a loss of power as well.
  void finish() {
    verify();
    if (::fsync(fd_) != 0) fail_system(path_, "write", errno);
    std::error_code error;
    fs::rename(path_, file_.to, error);
    if (error) fail_system(file_.to, "make", error.value());
    const int folder = ::open(file_.to.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    ::fsync(folder);
    ::close(folder);
  }

 private:
  void open() {
    std::error_code error;
    fs::create_directories(file_.to.parent_path(), error);
    if (error) fail_system(file_.to.parent_path(), "make", error.value());
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd_ < 0) fail_system(path_, "open", errno);
  }

  void lock() {
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
    const int error = errno;
    ::close(fd_);
    fd_ = -1;
    if (error == EWOULDBLOCK) fail(path_.string() + ": another process is fetching it");
    fail_system(path_, "lock", error);
  }

  void read_back() {
    std::vector<char> buffer(kReadBytes);
    while (true) {
      const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail_system(path_, "read", errno);
      if (got == 0) break;
      digest_.add({buffer.data(), static_cast<std::size_t>(got)});
      bytes_ += got;
    }
    if (file_.bytes && bytes_ > *file_.bytes) restart();
  }

  void verify() {
    if (file_.bytes && bytes_ != *file_.bytes) {
      const std::int64_t got = bytes_;
      discard();
      fail(fmt::format("{}: expected {} bytes, got {}", file_.name, *file_.bytes, got));
    }
    const std::string got = digest_.hex();
    if (file_.checksum.empty() || got == file_.checksum) return;
    discard();
    fail(fmt::format("{}: expected {} {}, got {}; what arrived is thrown away", file_.name,
                     name(file_.digest), file_.checksum, got));
  }

  void discard() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }

  const WantedFile& file_;
  fs::path path_;
  int fd_ = -1;
  Digest digest_;
  std::int64_t bytes_ = 0;
};

class PartReceiver final : public HttpReceiver {
 public:
  PartReceiver(const WantedFile& file, Part& part, DownloadListener& listener)
      : file_(file), part_(part), listener_(listener), have_(part.bytes()) {}

  bool begin(const HttpHead& head) override {
    if (head.status == 200) {  // all of it, whatever was asked for
      if (part_.bytes() > 0) part_.restart();
      have_ = 0;
      return true;
    }
    if (head.range_begin == part_.bytes()) return true;
    fail(fmt::format("{}: expected bytes from {} on, got them from {}", file_.name, part_.bytes(),
                     head.range_begin.value_or(-1)));
  }

  void add(std::string_view bytes) override {
    part_.add(bytes);
    arrived_ += std::ssize(bytes);
    listener_.on_bytes(file_, have_ + arrived_, arrived_);
  }

  std::int64_t arrived() const noexcept { return arrived_; }

 private:
  const WantedFile& file_;
  Part& part_;
  DownloadListener& listener_;
  std::int64_t have_;
  std::int64_t arrived_ = 0;
};

void check_room(const WantedFile& file, std::int64_t have) {
  if (!file.bytes) return;
  std::error_code error;
  const fs::space_info space = fs::space(file.to.parent_path(), error);
  const auto need = static_cast<std::uintmax_t>(std::max<std::int64_t>(*file.bytes - have, 0));
  if (error || space.available >= need) return;
  fail(fmt::format("{}: expected room for {} bytes more, got {}", file.to.parent_path().string(),
                   need, space.available));
}

// True where the file is there and as published.
bool is_there(const WantedFile& file) {
  struct stat status {};
  if (::stat(file.to.c_str(), &status) != 0) {
    if (errno == ENOENT) return false;
    fail_system(file.to, "look at", errno);
  }
  const int fd = ::open(file.to.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_system(file.to, "read", errno);
  Digest digest = begin_digest(file);
  std::vector<char> buffer(kReadBytes);
  std::int64_t bytes = 0;
  ssize_t got = 0;
  while ((got = ::read(fd, buffer.data(), buffer.size())) > 0 || (got < 0 && errno == EINTR)) {
    if (got < 0) continue;
    digest.add({buffer.data(), static_cast<std::size_t>(got)});
    bytes += got;
  }
  const int error = errno;
  ::close(fd);
  if (got < 0) fail_system(file.to, "read", error);
  const std::string checksum = digest.hex();
  const bool same =
      (!file.bytes || bytes == *file.bytes) && (file.checksum.empty() || checksum == file.checksum);
  if (same) return true;
  fail(
      fmt::format("{} is there and is not the published file: expected {} {}, got {} ({} bytes); "
                  "move it away to fetch",
                  file.to.string(), name(file.digest), file.checksum, checksum, bytes));
}

}  // namespace

Downloaded download(const WantedFile& file, const DownloadOptions& options,
                    DownloadListener& listener) {
  if (is_there(file)) return Downloaded::kWasThere;
  Part part(file);
  check_room(file, part.bytes());
  const bool whole = file.bytes && part.bytes() == *file.bytes;  // only its name was missing
  int attempt = 0;
  double pause_s = options.pause_s;
  while (!whole) {
    PartReceiver receiver(file, part, listener);
    const HttpOutcome outcome = http_get(file.url, part.bytes(), options.http, receiver);
    if (outcome.complete) break;
    if (receiver.arrived() > 0) {
      attempt = 0;
      pause_s = options.pause_s;
    }
    const std::string what = fmt::format("{} from {}", file.name, file.url.origin());
    const bool nothing_behind = outcome.head.status == 416;  // so ours are not its bytes
    if (nothing_behind) part.restart();
    if ((!outcome.transient && !nothing_behind) || ++attempt >= options.attempts) {
      fail(fmt::format("{}: {}{}", what, outcome.why_not,
                       part.bytes() > 0 ? fmt::format("; the {} bytes that arrived are kept and "
                                                      "the same command goes on from there",
                                                      part.bytes())
                                        : ""));
    }
    listener.on_note(fmt::format("{}: {}; trying again", what, outcome.why_not));
    std::this_thread::sleep_for(std::chrono::duration<double>(pause_s));
    pause_s *= 2;
  }
  part.finish();
  return Downloaded::kFetched;
}

}  // namespace tern::harness
