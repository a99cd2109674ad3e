// exp_f64 of math.h without branches or calls, so that a compiler makes several at once of it; the
// steps are the same everywhere, and so are the bits. Included inside the anonymous namespace of
// math.cpp and of vector_<isa>.cpp.

// 1.5 * 2^52, the binary64 counterpart of kRoundMagic.
constexpr double kRoundMagic64 = 0x1.8p+52;
// ln 2 = high + low; high has 42 bits, so n * high is exact for every binary64 exponent n.
constexpr double kLn2High64 = 0x1.62e42fefa38p-1;
constexpr double kLn2Low64 = 0x1.ef35793c7673p-45;

[[gnu::always_inline]] inline double exp_f64_steps(double x) {
  const double shifted = __builtin_fma(x, 0x1.71547652b82fep+0, kRoundMagic64);
  const double n = shifted - kRoundMagic64;
  double r = __builtin_fma(n, -kLn2High64, x);
  r = __builtin_fma(n, -kLn2Low64, r);
  // Taylor to the 13th power: r^14 / 14! < 5e-18 on |r| <= ln 2 / 2.
  double p = 0x1.6124613a86d09p-33;                // 1/13!
  p = __builtin_fma(p, r, 0x1.1eed8eff8d898p-29);  // 1/12!
  p = __builtin_fma(p, r, 0x1.ae64567f544e4p-26);  // 1/11!
  p = __builtin_fma(p, r, 0x1.27e4fb7789f5cp-22);  // 1/10!
  p = __builtin_fma(p, r, 0x1.71de3a556c734p-19);  // 1/9!
  p = __builtin_fma(p, r, 0x1.a01a01a01a01ap-16);  // 1/8!
  p = __builtin_fma(p, r, 0x1.a01a01a01a01ap-13);  // 1/7!
  p = __builtin_fma(p, r, 0x1.6c16c16c16c17p-10);  // 1/6!
  p = __builtin_fma(p, r, 0x1.1111111111111p-7);   // 1/5!
  p = __builtin_fma(p, r, 0x1.5555555555555p-5);   // 1/4!
  p = __builtin_fma(p, r, 0x1.5555555555555p-3);   // 1/3!
  p = __builtin_fma(p, r, 0.5);
  p = __builtin_fma(p, r, 1.0);
  p = __builtin_fma(p, r, 1.0);
  const std::uint64_t power =
      (__builtin_bit_cast(std::uint64_t, shifted) << 52) + 0x3ff0000000000000u;
  return p * __builtin_bit_cast(double, power);
}
