// quantize.h on sixteen lanes. Included inside the anonymous namespace of quantize_<isa>.cpp,
// behind its lanes header.

static_assert(kQuantizedAlign % 16 == 0);

// max(|x[i]|, 1e-5); the order of comparisons cannot matter.
float absmax(const float* x, std::int64_t n) {
  F32x16 m0 = fill(1e-5f);
  F32x16 m1 = m0;
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    m0 = max(abs(load(x + i)), m0);
    m1 = max(abs(load(x + i + 16)), m1);
  }
  for (; i + 16 <= n; i += 16) m0 = max(abs(load(x + i)), m0);
  if (i < n) m1 = max(abs(load_partial(x + i, n - i)), m1);
  return largest_lane(max(m0, m1));
}

float quantize_row(const float* x, std::int64_t n, std::int8_t* q, std::int32_t* sum) noexcept {
  const float s = 127.0f / absmax(x, n);
  const F32x16 factor = fill(s);
  I32x16 total = fill_i32(0);
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const I32x16 v = to_int8_range(mul(load(x + i), factor));
    store_int8(q + i, v);
    total = add(total, v);
  }
  if (i < n) {  // missing lanes are zeros, the first of the padding
    const I32x16 v = to_int8_range(mul(load_partial(x + i, n - i), factor));
    store_int8(q + i, v);
    total = add(total, v);
    i += 16;
  }
  for (; i % kQuantizedAlign != 0; i += 16) store_int8(q + i, fill_i32(0));
  *sum = merge(total);
  return s;
}

void quantize_block(const float* x, std::int8_t* q, std::int32_t* sums, float* scale) noexcept {
  const F32x16 x0 = load(x);
  const F32x16 x1 = load(x + 16);
  const float absmax = largest_lane(max(abs(x0), abs(x1)));
  const bool zero = absmax < kLeastBlockMax;
  const F32x16 factor = fill(zero ? 0.0f : 127.0f / absmax);
  const I32x16 q0 = to_int8_range(mul(x0, factor));
  const I32x16 q1 = to_int8_range(mul(x1, factor));
  store_int8(q, q0);
  store_int8(q + 16, q1);
  sums[0] = merge(q0);
  sums[1] = merge(q1);
  *scale = zero ? 0.0f : absmax / 127.0f;
}

void quantize_blocks(const float* x, std::int64_t n, std::int8_t* q, std::int32_t* sums,
                     float* scales) noexcept {
  for (std::int64_t i = 0; i < n; i += kQuantBlock) {
    quantize_block(x + i, q + i, sums + i / 16, scales + i / kQuantBlock);
  }
}
