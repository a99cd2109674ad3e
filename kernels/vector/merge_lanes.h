#pragma once
// The fixed tree that merges the 16 virtual lanes of a reduction (see vector.h), written plainly
// for the scalar kernels. Static: see check.h.

namespace tern::kernels {

// Element i of a vector belongs to lane i mod kLanes.
constexpr int kLanes = 16;

// l[i] + l[i+8] for i < 8, then +4, +2, +1. Destroys l.
[[maybe_unused]] static float merge_lanes(float* l) noexcept {
  for (int half = kLanes / 2; half >= 1; half /= 2) {
    for (int i = 0; i < half; ++i) l[i] = l[i] + l[i + half];
  }
  return l[0];
}

}  // namespace tern::kernels
