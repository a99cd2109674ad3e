#pragma once
// The joules of one question out of windows of a meter that it shared with others. A meter cannot
// tell them apart, so each window is shared out by the tokens that were evaluated for each of them:
// the sum of all questions is what the meter read, and the share of one of them is attributed, not
// measured.

#include <cstdint>

#include "energy/energy_meter.h"

namespace tern::harness {

class EnergyShare {
 public:
  // share: 0 < share <= 1 of `window`, in which `questions` were in flight. elapsed_ns: of it.
  void add(const energy::EnergyDelta& window, std::int64_t elapsed_ns, double share, int questions);

  // As it was measured where there is one window and nobody else in it. Not measured, with the
  // reason, where one of the windows was not.
  energy::EnergyDelta energy() const;
  std::int64_t elapsed_ns() const noexcept;  // of the windows' seconds, shared out alike
  int questions() const noexcept { return questions_; }  // most in flight at once
  // The worst of the windows: whether all joules that were shared out were measured.
  energy::Status windows() const noexcept { return windows_; }

 private:
  energy::EnergyDelta sum_;
  energy::Status windows_ = energy::Status::kMeasured;
  double elapsed_ns_ = 0;
  int questions_ = 0;
  int added_ = 0;
};

}  // namespace tern::harness
