// What the families share on top of the lanes vocabulary. Included inside the anonymous namespace
// of an ISA file, behind its lanes header and kernels/vector/exp_constants.h.

// exp_f32 of math.cpp on sixteen lanes: the same operations in the same order.
F32x16 exp_lanes(F32x16 x) {
  const F32x16 shifted = fma(x, fill(kLog2E), fill(kRoundMagic));
  const F32x16 n = sub(shifted, fill(kRoundMagic));
  F32x16 r = fma(n, fill(-kLn2High), x);
  r = fma(n, fill(-kLn2Low), r);
  F32x16 p = fma(fill(kExpC6), r, fill(kExpC5));
  p = fma(p, r, fill(kExpC4));
  p = fma(p, r, fill(kExpC3));
  p = fma(p, r, fill(kExpC2));
  p = fma(p, r, fill(1.0f));
  p = fma(p, r, fill(1.0f));
  F32x16 y = mul(p, power_of_two(shifted));
  y = where_less(x, fill(kExpLowest), fill(0.0f), y);
  return where_less(fill(kExpHighest), x, fill(__builtin_inff()), y);
}

// The largest of x[0, n); a zero is +0. n >= 1.
float largest(const float* x, std::int64_t n) {
  const float lowest = -__builtin_inff();
  F32x16 m = fill(lowest);
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) m = max(load(x + i), m);
  if (i < n) m = max(load_partial(x + i, n - i, lowest), m);
  return largest_lane(m) + 0.0f;
}

// x[i] = exp(x[i] - max). Returns the sum, by lanes: no term is negative, so that the +0 of a
// missing lane changes nothing.
float exp_and_sum(float* x, float max, std::int64_t n) {
  F32x16 sum = fill(0.0f);
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const F32x16 e = exp_lanes(sub(load(x + i), fill(max)));
    store(x + i, e);
    sum = add(sum, e);
  }
  if (i < n) {
    const F32x16 e = exp_lanes(sub(load_partial(x + i, n - i, -__builtin_inff()), fill(max)));
    store_partial(x + i, n - i, e);
    sum = add(sum, e);
  }
  return merge(sum);
}
