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
