#include "kernels/vector/math.h"

#include <bit>
#include <cstdint>
#include <limits>

#include "kernels/vector/exp_constants.h"

namespace tern::kernels {
namespace {

#include "kernels/vector/exp_f64.inl"

// pi / 2 to 107 bits.
constexpr double kHalfPiHigh = 0x1.921fb54442d18p+0;
constexpr double kHalfPiLow = 0x1.1a62633145c07p-54;

double fma64(double a, double b, double c) { return __builtin_fma(a, b, c); }

// The unevaluated sum high + low: more digits than one binary64 holds.
struct DoubleDouble {
  double high;
  double low;
};

// log x to about 1e-18 relative. x = 2^e * m with m in [sqrt(1/2), sqrt(2)), and
// log m = 2 atanh(s) = 2s + 2s^3 (1/3 + s^2/5 + s^4/7 + ...) with s = (m - 1) / (m + 1).
DoubleDouble log_extended(double x) {
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t shifted = bits - 0x3fe6a09e667f3bcdu;  // the bits of sqrt(1/2)
  const auto exponent = static_cast<double>(static_cast<std::int64_t>(shifted) >> 52);
  const double m = std::bit_cast<double>((shifted & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);

  const double f = m - 1;  // exact (Sterbenz)
  const double g = m + 1;
  const double g_error = (1 - g) + m;  // exact: 1 and m share an exponent, or 1 is the larger
  const double s = f / g;
  const double s_low = (fma64(-s, g, f) - s * g_error) / g;
  const double s2 = s * s;
  double series = 1.0 / 25;
  for (int k = 23; k >= 3; k -= 2) series = fma64(series, s2, 1.0 / k);

  const double big = exponent * kLn2High64;  // exact
  const double twice = 2 * s;
  const double sum = big + twice;
  const double sum_error = (big - sum) + twice;  // exact: big is 0 or the larger
  const double small = sum_error + (exponent * kLn2Low64 + (2 * s_low + 2 * (s * s2 * series)));
  const double high = sum + small;
  return {high, (sum - high) + small};
}

// Taylor series of sin and cos on |r| <= pi/4 (a little more after rounding): truncation below
// 1e-18.
double sin_reduced(double r) {
  const double z = r * r;
  double p = 0x1.952c77030ad4ap-49;         // 1/17!
  p = fma64(p, z, -0x1.ae7f3e733b81fp-41);  // -1/15!
  p = fma64(p, z, 0x1.6124613a86d09p-33);   // 1/13!
  p = fma64(p, z, -0x1.ae64567f544e4p-26);  // -1/11!
  p = fma64(p, z, 0x1.71de3a556c734p-19);   // 1/9!
  p = fma64(p, z, -0x1.a01a01a01a01ap-13);  // -1/7!
  p = fma64(p, z, 0x1.1111111111111p-7);    // 1/5!
  p = fma64(p, z, -0x1.5555555555555p-3);   // -1/3!
  return fma64(p * z, r, r);
}

double cos_reduced(double r) {
  const double z = r * r;
  double p = 0x1.ae7f3e733b81fp-45;         // 1/16!
  p = fma64(p, z, -0x1.93974a8c07c9dp-37);  // -1/14!
  p = fma64(p, z, 0x1.1eed8eff8d898p-29);   // 1/12!
  p = fma64(p, z, -0x1.27e4fb7789f5cp-22);  // -1/10!
  p = fma64(p, z, 0x1.a01a01a01a01ap-16);   // 1/8!
  p = fma64(p, z, -0x1.6c16c16c16c17p-10);  // -1/6!
  p = fma64(p, z, 0x1.5555555555555p-5);    // 1/4!
  p = fma64(p, z, -0.5);
  return fma64(p, z, 1.0);
}

}  // namespace

float exp_f32(float x) noexcept {
  if (x < kExpLowest) return 0.0f;
  if (x > kExpHighest) return std::numeric_limits<float>::infinity();
  // x = n ln 2 + r, n the nearest integer. The low bits of `shifted` hold n.
  const float shifted = __builtin_fmaf(x, kLog2E, kRoundMagic);
  const float n = shifted - kRoundMagic;
  float r = __builtin_fmaf(n, -kLn2High, x);
  r = __builtin_fmaf(n, -kLn2Low, r);
  float p = __builtin_fmaf(kExpC6, r, kExpC5);
  p = __builtin_fmaf(p, r, kExpC4);
  p = __builtin_fmaf(p, r, kExpC3);
  p = __builtin_fmaf(p, r, kExpC2);
  p = __builtin_fmaf(p, r, 1.0f);
  p = __builtin_fmaf(p, r, 1.0f);
  // 2^n by placing n in the exponent field; the product is exact, and a NaN in p survives it.
  const std::uint32_t power = (std::bit_cast<std::uint32_t>(shifted) << 23) + 0x3f800000u;
  return p * std::bit_cast<float>(power);
}

double exp_f64(double x) noexcept { return exp_f64_steps(x); }

double log_f64(double x) noexcept { return log_extended(x).high; }

// exp(y log x). The logarithm carries extra digits because the exponential turns its absolute error
// into a relative one, up to 700 times larger.
double pow_f64(double x, double y) noexcept {
  const DoubleDouble log = log_extended(x);
  const double product = y * log.high;
  const double correction = fma64(y, log.high, -product) + y * log.low;
  const double power = exp_f64(product);
  return fma64(power, correction, power);
}

// x = n pi/2 + r. One fma with each half of pi/2 keeps the absolute error of r near 1e-16.
void sin_cos_f64(double x, double* sin, double* cos) noexcept {
  const double n = fma64(x, 0x1.45f306dc9c883p-1, kRoundMagic64) - kRoundMagic64;
  double r = fma64(n, -kHalfPiHigh, x);
  r = fma64(n, -kHalfPiLow, r);
  const double s = sin_reduced(r);
  const double c = cos_reduced(r);
  switch (static_cast<std::int64_t>(n) & 3) {
    case 0:
      *sin = s, *cos = c;
      break;
    case 1:
      *sin = c, *cos = -s;
      break;
    case 2:
      *sin = -s, *cos = -c;
      break;
    default:
      *sin = -c, *cos = s;
      break;
  }
}

}  // namespace tern::kernels
