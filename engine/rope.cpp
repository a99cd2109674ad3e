#include "engine/rope.h"

#include <cmath>

#include "engine/error.h"
#include "kernels/vector/math.h"

namespace tern::engine {
namespace {

// 1 / theta^(2i / head_dim).
double frequency(double theta, std::int64_t i, std::int64_t head_dim) noexcept {
  const double exponent = static_cast<double>(2 * i) / static_cast<double>(head_dim);
  return 1.0 / kernels::pow_f64(theta, exponent);
}

void check(bool good, const char* what, double got, const std::string& origin) {
  if (good && std::isfinite(got)) return;
  throw Error(std::string("RoPE scaling of type llama3 in ") + origin + ": expected " + what +
              ", got " + std::to_string(got));
}

double divisor(const Llama3Rope& rope, double frequency) noexcept {
  constexpr double kTwoPi = 6.283185307179586;
  const double wavelength = kTwoPi / frequency;
  if (wavelength < rope.original_context / rope.high_freq_factor) return 1;
  if (wavelength > rope.original_context / rope.low_freq_factor) return rope.factor;
  const double smooth = (rope.original_context / wavelength - rope.low_freq_factor) /
                        (rope.high_freq_factor - rope.low_freq_factor);
  return 1 / ((1 - smooth) / rope.factor + smooth);
}

}  // namespace

std::vector<float> llama3_divisors(const Llama3Rope& rope, double theta, std::int64_t head_dim,
                                   const std::string& origin) {
  check(rope.factor >= 1, "a factor of at least 1", rope.factor, origin);
  check(rope.low_freq_factor > 0, "a positive low_freq_factor", rope.low_freq_factor, origin);
  check(rope.high_freq_factor > rope.low_freq_factor,
        "a high_freq_factor above the low_freq_factor", rope.high_freq_factor, origin);
  check(rope.original_context >= 1, "an original_max_position_embeddings of at least 1",
        rope.original_context, origin);
  std::vector<float> divisors;
  for (std::int64_t i = 0; i < head_dim / 2; ++i) {
    divisors.push_back(static_cast<float>(divisor(rope, frequency(theta, i, head_dim))));
  }
  return divisors;
}

void fill_rope_row(double theta, std::span<const float> divisors, std::int64_t head_dim,
                   std::int64_t position, float* cos_sin) noexcept {
  const std::int64_t half = head_dim / 2;
  for (std::int64_t i = 0; i < half; ++i) {
    auto inv_freq = static_cast<float>(frequency(theta, i, head_dim));
    if (!divisors.empty()) inv_freq = inv_freq / divisors[static_cast<std::size_t>(i)];
    const float angle = static_cast<float>(position) * inv_freq;
    double sine = 0;
    double cosine = 0;
    kernels::sin_cos_f64(static_cast<double>(angle), &sine, &cosine);
    cos_sin[i] = static_cast<float>(cosine);
    cos_sin[half + i] = static_cast<float>(sine);
  }
}

}  // namespace tern::engine
