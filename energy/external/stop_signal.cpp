#include "energy/external/stop_signal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace tern::energy {

StopSignal::StopSignal() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

StopSignal::~StopSignal() { ::close(fd_); }

void StopSignal::raise() noexcept {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, which means raised.
  [[maybe_unused]] const ssize_t written = ::write(fd_, &one, sizeof one);
}

bool StopSignal::wait_until(Clock::time_point deadline) const noexcept {
  pollfd wanted{fd_, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&wanted, 1, milliseconds_until(deadline));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

int milliseconds_until(Clock::time_point deadline) noexcept {
  using std::chrono::milliseconds;
  constexpr milliseconds kLongest = std::chrono::hours(1);
  const Clock::time_point now = Clock::now();
  if (deadline <= now) return 0;
  return static_cast<int>(
      std::min(std::chrono::ceil<milliseconds>(deadline - now), kLongest).count());
}

}  // namespace tern::energy
