#pragma once
// Energy from successive readings of one counter that restarts at its modulus. Pure arithmetic: no
// clock, no I/O. Where a reading admits two answers it refuses for good and keeps the reason; it
// never guesses and never goes backwards.

#include <cstdint>
#include <string>

#include "energy/energy_source.h"

namespace tern::energy {

enum class Fault : std::uint8_t {
  kNone,
  kReadError,      // the source gave an errno value
  kTimeBack,       // a reading is not later than the one before it
  kReset,          // the counter fell, and not by a wrap
  kImplausible,    // it rose faster than the domain can draw power, or left its range
  kAmbiguousWrap,  // so long between readings that a wrap, or a slip of the kernel's, could hide
  kStuck,          // unmoved for longer than the domain can be silent
  kGap,            // of power: no reading for so long that the time between is unknown
};

class CounterUnwrapper {
 public:
  explicit CounterUnwrapper(const Domain& domain);

  // Readings in time order; the first only sets the origin. After a fault the rest are ignored.
  void feed(const Reading& reading);

  Fault fault() const noexcept { return fault_; }
  const std::string& why() const noexcept { return why_; }  // a clause; empty without a fault

  // Since the first reading; meaningless after a fault.
  std::uint64_t counts() const noexcept { return counts_; }
  double joules() const noexcept { return static_cast<double>(counts_) * joules_per_count_; }
  int wraps() const noexcept { return wraps_; }

 private:
  void refuse(Fault fault, std::string why);
  void advance(const Reading& reading, double elapsed_s);

  double joules_per_count_;
  std::uint64_t modulus_;
  double max_power_w_;
  double late_s_;  // how late energy may appear
  double max_silence_s_;
  double safe_joules_;
  bool started_ = false;
  Reading previous_;
  std::int64_t moved_ns_ = 0;
  std::uint64_t counts_ = 0;
  int wraps_ = 0;
  Fault fault_ = Fault::kNone;
  std::string why_;
};

// Read the domain at least this often: half its shortest possible wrap time, or whenever
// safe_joules may have passed, at most 10 s.
double safe_poll_s(const Domain& domain) noexcept;

}  // namespace tern::energy
