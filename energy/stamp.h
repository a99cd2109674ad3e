#pragma once
// The moment of a reading: CLOCK_MONOTONIC_RAW, which nobody slews, before and after it.

#include <time.h>

#include <cstdint>

namespace tern::energy {

inline std::int64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// Made before the reading; asked after it.
class Stamp {
 public:
  std::int64_t midpoint_ns() const noexcept {
    return before_ns_ + (clock_ns(CLOCK_MONOTONIC_RAW) - before_ns_) / 2;
  }

 private:
  std::int64_t before_ns_ = clock_ns(CLOCK_MONOTONIC_RAW);
};

}  // namespace tern::energy
