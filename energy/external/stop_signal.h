#pragma once
// Asks a thread that waits for a meter to give up. It is a descriptor, so that a wait in poll() for
// a socket or a child ends with it; once raised it stays so.

#include <chrono>

namespace tern::energy {

using Clock = std::chrono::steady_clock;

class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  void raise() noexcept;
  bool raised() const noexcept { return wait_until(Clock::time_point::min()); }
  // True when raised before the deadline.
  bool wait_until(Clock::time_point deadline) const noexcept;
  int fd() const noexcept { return fd_; }  // readable once raised

 private:
  int fd_;
};

// For poll(): rounded up, so that a wait never ends just before its deadline; never negative.
int milliseconds_until(Clock::time_point deadline) noexcept;

}  // namespace tern::energy
