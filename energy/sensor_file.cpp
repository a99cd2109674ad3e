#include "energy/sensor_file.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

namespace tern::energy {

SensorFile::SensorFile(const std::string& path)
    : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)),
      open_error_(fd_ < 0 ? errno : 0) {}

SensorFile::~SensorFile() {
  if (fd_ >= 0) ::close(fd_);
}

SensorFile::SensorFile(SensorFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), open_error_(other.open_error_) {}

int SensorFile::read(std::int64_t& value) const noexcept {
  // As in CounterFile: a plain file that another process rewrites is empty for a moment.
  constexpr int kTries = 4;
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
  const char* const end = buffer + got - 1;
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(buffer, end, number);
  if (error != std::errc() || stop != end) return EBADMSG;
  value = number;
  return 0;
}

}  // namespace tern::energy
