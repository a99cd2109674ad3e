#include "kernels/vector/math.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "tests/support/catch.h"

namespace tern::kernels {
namespace {

// A number in [0, 1) with 53 random bits.
double unit(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

double relative_error(double got, long double expected) {
  return static_cast<double>(std::fabs((static_cast<long double>(got) - expected) / expected));
}

// Distance from the exact result in units of the last place of the nearest binary32.
double ulps(float got, long double expected) {
  const float nearest = static_cast<float>(expected);
  const double ulp = std::nextafter(nearest, std::numeric_limits<float>::infinity()) - nearest;
  return static_cast<double>(std::fabs(static_cast<long double>(got) - expected)) / ulp;
}

TEST_CASE("exp_f32 stays within 2 ulp over its whole range", "[math]") {
  double worst = 0;
  // Every 997th binary32 of both signs, from 2^-40 to the limits.
  for (std::uint32_t bits = 0x2b800000u; bits <= 0x42b00000u; bits += 997) {
    const float x = std::bit_cast<float>(bits);
    worst = std::fmax(worst, ulps(exp_f32(x), std::exp(static_cast<long double>(x))));
    if (x <= 87.0f)
      worst = std::fmax(worst, ulps(exp_f32(-x), std::exp(static_cast<long double>(-x))));
  }
  CAPTURE(worst);
  CHECK(worst < 1.0);
}

TEST_CASE("exp_f32 at its edges", "[math]") {
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(exp_f32(0.0f) == 1.0f);
  CHECK(exp_f32(-0.0f) == 1.0f);
  CHECK(exp_f32(-87.0f) > std::numeric_limits<float>::min());
  CHECK(std::bit_cast<std::uint32_t>(exp_f32(std::nextafter(-87.0f, -inf))) == 0);
  CHECK(std::bit_cast<std::uint32_t>(exp_f32(-inf)) == 0);
  CHECK(std::isfinite(exp_f32(88.0f)));
  CHECK(exp_f32(std::nextafter(88.0f, inf)) == inf);
  CHECK(std::isnan(exp_f32(std::numeric_limits<float>::quiet_NaN())));
}

// Pins the steps themselves: another polynomial or another order would be as accurate and still
// break "one answer everywhere" between two versions of the program.
TEST_CASE("exp_f32 gives these very bits", "[math]") {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (std::uint32_t i = 0; i <= 175000; ++i) {
    const float x = static_cast<float>(i) * 0.001f - 87.0f;
    hash = (hash ^ std::bit_cast<std::uint32_t>(exp_f32(x))) * 0x100000001b3u;
  }
  CHECK(hash == 0x81c65906ce79e03du);
}

TEST_CASE("exp_f64 is accurate to 1e-14", "[math]") {
  std::mt19937_64 random(1);
  double worst = 0;
  for (int i = 0; i < 200000; ++i) {
    const double x = (2 * unit(random) - 1) * (i % 2 == 0 ? 700.0 : 1.0);
    worst = std::fmax(worst, relative_error(exp_f64(x), std::exp(static_cast<long double>(x))));
  }
  CAPTURE(worst);
  CHECK(worst < 1e-15);
  CHECK(exp_f64(0.0) == 1.0);
}

TEST_CASE("log_f64 is accurate to 1e-14, near 1 as well", "[math]") {
  std::mt19937_64 random(2);
  double worst = 0;
  for (int i = 0; i < 200000; ++i) {
    // Any exponent; or within 2^-40 to 2^-1 of 1.
    const double x =
        i % 2 == 0 ? std::ldexp(1 + unit(random), static_cast<int>(random() % 2044) - 1022)
                   : 1 + (unit(random) - 0.5) * std::ldexp(1.0, -static_cast<int>(random() % 40));
    if (x == 1.0) continue;
    worst = std::fmax(worst, relative_error(log_f64(x), std::log(static_cast<long double>(x))));
  }
  CAPTURE(worst);
  CHECK(worst < 1e-15);
  CHECK(log_f64(1.0) == 0.0);
}

TEST_CASE("pow_f64 is accurate to 1e-14 even where the exponent magnifies errors", "[math]") {
  std::mt19937_64 random(3);
  double worst = 0;
  for (int i = 0; i < 200000; ++i) {
    const double x = std::ldexp(1 + unit(random), static_cast<int>(random() % 200) - 100);
    const double y = (2 * unit(random) - 1) * 690 / std::fabs(std::log(x) + 1e-9);
    if (std::fabs(y * std::log(x)) >= 699) continue;
    const long double expected = std::pow(static_cast<long double>(x), static_cast<long double>(y));
    worst = std::fmax(worst, relative_error(pow_f64(x, y), expected));
  }
  CAPTURE(worst);
  CHECK(worst < 1e-14);
  CHECK(pow_f64(500000.0, 0.0) == 1.0);
}

// The frequencies of rotary embedding, the reason these functions exist.
TEST_CASE("pow_f64 gives rotary frequencies", "[math]") {
  for (const double theta : {10000.0, 500000.0, 1000000.0}) {
    for (int i = 0; i < 64; ++i) {
      const double y = -i / 64.0;
      const long double expected =
          std::pow(static_cast<long double>(theta), static_cast<long double>(y));
      CHECK(relative_error(pow_f64(theta, y), expected) < 1e-15);
    }
  }
}

TEST_CASE("sin_cos_f64 is accurate to 1e-14 in all quadrants and far out", "[math]") {
  std::mt19937_64 random(4);
  double worst = 0;
  for (int i = 0; i < 300000; ++i) {
    const double range = i % 3 == 0 ? 1e8 : i % 3 == 1 ? 10.0 : 1e4;
    const double x = (2 * unit(random) - 1) * range;
    double sin = 0;
    double cos = 0;
    sin_cos_f64(x, &sin, &cos);
    const auto exact = static_cast<long double>(x);
    worst = std::fmax(worst, static_cast<double>(std::fabs(sin - std::sin(exact))));
    worst = std::fmax(worst, static_cast<double>(std::fabs(cos - std::cos(exact))));
  }
  CAPTURE(worst);
  CHECK(worst < 1e-15);
  double sin = -1;
  double cos = -1;
  sin_cos_f64(0.0, &sin, &cos);
  CHECK(sin == 0.0);
  CHECK(cos == 1.0);
}

}  // namespace
}  // namespace tern::kernels
