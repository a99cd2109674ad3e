// vector.h on sixteen lanes. Included inside the anonymous namespace of vector_<isa>.cpp, behind
// its lanes header and simd/lanes_math.inl. Every loop takes whole vectors, then one partial
// vector.

// From +0 the squares cannot reach -0, so a missing lane's fma(0, 0, sum) changes nothing.
float sum_of_squares(const float* x, std::int64_t n) {
  F32x16 sum = fill(0.0f);
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const F32x16 v = load(x + i);
    sum = fma(v, v, sum);
  }
  if (i < n) {
    const F32x16 v = load_partial(x + i, n - i);
    sum = fma(v, v, sum);
  }
  return merge(sum);
}

void rms_norm(const float* x, const float* w, std::int64_t n, float eps, float* out) noexcept {
  const float mean = sum_of_squares(x, n) / static_cast<float>(n);
  const F32x16 r = fill(1.0f / __builtin_sqrtf(mean + eps));
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, mul(mul(load(x + i), r), load(w + i)));
  if (i < n) {
    const F32x16 scaled = mul(load_partial(x + i, n - i), r);
    store_partial(out + i, n - i, mul(scaled, load_partial(w + i, n - i)));
  }
}

// Four rounded products, no fma: see vector.h.
void rotate(F32x16* a, F32x16* b, F32x16 c, F32x16 s) {
  const F32x16 rotated_a = sub(mul(*a, c), mul(*b, s));
  const F32x16 rotated_b = add(mul(*a, s), mul(*b, c));
  *a = rotated_a;
  *b = rotated_b;
}

void rope_half(float* x, const float* cos_sin, std::int64_t head_dim) noexcept {
  const std::int64_t half = head_dim / 2;
  std::int64_t i = 0;
  for (; i + 16 <= half; i += 16) {
    F32x16 a = load(x + i);
    F32x16 b = load(x + half + i);
    rotate(&a, &b, load(cos_sin + i), load(cos_sin + half + i));
    store(x + i, a);
    store(x + half + i, b);
  }
  const std::int64_t rest = half - i;
  if (rest == 0) return;
  F32x16 a = load_partial(x + i, rest);
  F32x16 b = load_partial(x + half + i, rest);
  rotate(&a, &b, load_partial(cos_sin + i, rest), load_partial(cos_sin + half + i, rest));
  store_partial(x + i, rest, a);
  store_partial(x + half + i, rest, b);
}

void rotate_interleaved(F32x16* v0, F32x16* v1, F32x16 c, F32x16 s) {
  F32x16 a;
  F32x16 b;
  unzip(*v0, *v1, &a, &b);
  rotate(&a, &b, c, s);
  zip(a, b, v0, v1);
}

void rope_interleaved(float* x, const float* cos_sin, std::int64_t head_dim) noexcept {
  const std::int64_t half = head_dim / 2;
  std::int64_t i = 0;
  for (; i + 16 <= half; i += 16) {
    F32x16 v0 = load(x + 2 * i);
    F32x16 v1 = load(x + 2 * i + 16);
    rotate_interleaved(&v0, &v1, load(cos_sin + i), load(cos_sin + half + i));
    store(x + 2 * i, v0);
    store(x + 2 * i + 16, v1);
  }
  const std::int64_t rest = half - i;
  if (rest == 0) return;
  const std::int64_t count0 = 2 * rest < 16 ? 2 * rest : 16;
  const std::int64_t count1 = 2 * rest - count0;
  F32x16 v0 = load_partial(x + 2 * i, count0);
  F32x16 v1 = count1 > 0 ? load_partial(x + 2 * i + 16, count1) : fill(0.0f);
  rotate_interleaved(&v0, &v1, load_partial(cos_sin + i, rest),
                     load_partial(cos_sin + half + i, rest));
  store_partial(x + 2 * i, count0, v0);
  if (count1 > 0) store_partial(x + 2 * i + 16, count1, v1);
}

// max(-0, +0) is its second operand.
F32x16 relu2_mul_lanes(F32x16 gate, F32x16 up) {
  const F32x16 g = max(gate, fill(0.0f));
  return mul(mul(g, g), up);
}

void relu2_mul(const float* gate, const float* up, std::int64_t n, float* out) noexcept {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, relu2_mul_lanes(load(gate + i), load(up + i)));
  if (i == n) return;
  const F32x16 last = relu2_mul_lanes(load_partial(gate + i, n - i), load_partial(up + i, n - i));
  store_partial(out + i, n - i, last);
}

// 0 - g differs from -g in the sign of a zero only, and both have exp 1.
F32x16 silu_mul_lanes(F32x16 gate, F32x16 up) {
  const F32x16 e = exp_lanes(sub(fill(0.0f), gate));
  return mul(div(gate, add(fill(1.0f), e)), up);
}

void silu_mul(const float* gate, const float* up, std::int64_t n, float* out) noexcept {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, silu_mul_lanes(load(gate + i), load(up + i)));
  if (i == n) return;
  const F32x16 last = silu_mul_lanes(load_partial(gate + i, n - i), load_partial(up + i, n - i));
  store_partial(out + i, n - i, last);
}

F32x16 gelu_mul_lanes(F32x16 gate, F32x16 up) {
  const F32x16 slope = fma(mul(gate, gate), fill(kGeluCubic), fill(kGeluLinear));
  const F32x16 e = exp_lanes(mul(gate, slope));
  return mul(div(gate, add(fill(1.0f), e)), up);
}

void gelu_mul(const float* gate, const float* up, std::int64_t n, float* out) noexcept {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, gelu_mul_lanes(load(gate + i), load(up + i)));
  if (i == n) return;
  const F32x16 last = gelu_mul_lanes(load_partial(gate + i, n - i), load_partial(up + i, n - i));
  store_partial(out + i, n - i, last);
}

void add_vector(float* x, const float* y, std::int64_t n) noexcept {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(x + i, add(load(x + i), load(y + i)));
  if (i < n)
    store_partial(x + i, n - i, add(load_partial(x + i, n - i), load_partial(y + i, n - i)));
}

void scale(float* x, float factor, std::int64_t n) noexcept {
  const F32x16 f = fill(factor);
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(x + i, mul(load(x + i), f));
  if (i < n) store_partial(x + i, n - i, mul(load_partial(x + i, n - i), f));
}

void softmax(float* x, std::int64_t n) noexcept {
  const F32x16 sum = fill(exp_and_sum(x, largest(x, n), n));
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(x + i, div(load(x + i), sum));
  if (i < n) store_partial(x + i, n - i, div(load_partial(x + i, n - i), sum));
}

void to_f16(const float* x, std::int64_t n, std::uint16_t* out) noexcept {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store_f16(out + i, load(x + i));
  if (i < n) store_f16_partial(out + i, n - i, load_partial(x + i, n - i));
}

// x * 0 is a zero for finite x, else a NaN, and a sum keeps a NaN.
bool all_finite(const float* x, std::int64_t n) noexcept {
  const F32x16 zero = fill(0.0f);
  F32x16 sum0 = zero;
  F32x16 sum1 = zero;
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    sum0 = fma(load(x + i), zero, sum0);
    sum1 = fma(load(x + i + 16), zero, sum1);
  }
  for (; i + 16 <= n; i += 16) sum0 = fma(load(x + i), zero, sum0);
  if (i < n) sum1 = fma(load_partial(x + i, n - i), zero, sum1);
  return merge(add(sum0, sum1)) == 0.0f;
}

[[gnu::always_inline]] inline double exp_or_zero(float x, double max) {
  const double shifted = double{x} - max;
  const double e = exp_f64_steps(shifted);  // of anything: no branch
  return shifted > kLowestExp ? e : 0.0;
}

// Many exponentials side by side, then one sum after the other.
double sum_exp(const float* x, std::int64_t n, float max) noexcept {
  constexpr std::int64_t kTogether = 64;
  double e[kTogether];
  double sum = 0;
  std::int64_t i = 0;
  for (; i + kTogether <= n; i += kTogether) {
    for (std::int64_t j = 0; j < kTogether; ++j) e[j] = exp_or_zero(x[i + j], double{max});
    for (std::int64_t j = 0; j < kTogether; ++j) sum += e[j];
  }
  for (; i < n; ++i) sum += exp_or_zero(x[i], double{max});
  return sum;
}

// The sum of all 64-bit words modulo 2^64. Each quarter is a stream of its own: hardware
// prefetchers follow several streams at once, and one core then reads a third more per second than
// from a single one (measured on Zen 4).
std::uint64_t stream_read(const void* data, std::size_t bytes) noexcept {
  const auto* p = static_cast<const unsigned char*>(data);
  const std::size_t quarter = bytes / 4;
  U64x8 sum0 = zero_u64();
  U64x8 sum1 = sum0;
  U64x8 sum2 = sum0;
  U64x8 sum3 = sum0;
  for (std::size_t i = 0; i < quarter; i += 64) {
    sum0 = add(sum0, load_u64(p + i));
    sum1 = add(sum1, load_u64(p + quarter + i));
    sum2 = add(sum2, load_u64(p + 2 * quarter + i));
    sum3 = add(sum3, load_u64(p + 3 * quarter + i));
  }
  return merge(add(add(sum0, sum1), add(sum2, sum3)));
}

// The table of this instruction set.
constexpr VectorKernels kTable = {
    rms_norm, rope_half, rope_interleaved, relu2_mul, silu_mul,   gelu_mul,   add_vector,
    scale,    softmax,   sum_exp,          to_f16,    all_finite, stream_read};
