// attention.h on sixteen lanes. Included inside the anonymous namespace of attention_<isa>.cpp,
// behind its lanes header and simd/lanes_math.inl. T is the type of the cache in memory:
// std::uint16_t (binary16) or float.

// Scores of N consecutive keys: N independent chains of fma, to hide its latency. `rows` is the
// first. fma(-0, +0, a) is a for every a, zeros of both signs included, so a partial vector is
// exact with the missing lanes of q at -0.
template <int N, class T>
void dot_keys(const float* q, const T* rows, std::int64_t head_dim, F32x16* dots) {
  F32x16 acc[N];
#pragma GCC unroll 8
  for (int key = 0; key < N; ++key) acc[key] = fill(0.0f);
  std::int64_t d = 0;
  for (; d + 16 <= head_dim; d += 16) {
    const F32x16 query = load(q + d);
#pragma GCC unroll 8
    for (int key = 0; key < N; ++key) {
      acc[key] = fma(query, load(rows + key * head_dim + d), acc[key]);
    }
  }
  if (d < head_dim) {
    const std::int64_t rest = head_dim - d;
    const F32x16 query = load_partial(q + d, rest, -0.0f);
#pragma GCC unroll 8
    for (int key = 0; key < N; ++key) {
      acc[key] = fma(query, load_partial(rows + key * head_dim + d, rest), acc[key]);
    }
  }
#pragma GCC unroll 8
  for (int key = 0; key < N; ++key) dots[key] = acc[key];
}

template <class T>
void scores_of(const float* q, const T* k, std::int64_t head_dim, float scale, std::int64_t begin,
               std::int64_t end, float* scores) {
  static_assert(kKeysInFlight % 4 == 0);
  F32x16 dots[kKeysInFlight];
  std::int64_t j = begin;
  for (; j + kKeysInFlight <= end; j += kKeysInFlight) {
    dot_keys<kKeysInFlight>(q, k + j * head_dim, head_dim, dots);
#pragma GCC unroll 2
    for (int i = 0; i < kKeysInFlight; i += 4) merge_4_scaled(dots + i, scale, scores + j + i);
  }
  for (; j < end; ++j) {
    dot_keys<1>(q, k + j * head_dim, head_dim, dots);
    scores[j] = merge(dots[0]) * scale;
  }
}

float scores(const float* q, const void* k, CacheType type, std::int64_t head_dim, float scale,
             std::int64_t begin, std::int64_t end, float* scores) noexcept {
  if (type == CacheType::kF16) {
    scores_of(q, static_cast<const std::uint16_t*>(k), head_dim, scale, begin, end, scores);
  } else {
    scores_of(q, static_cast<const float*>(k), head_dim, scale, begin, end, scores);
  }
  return largest(scores + begin, end - begin);
}

// out[0, 16 N) = sum over j of p[j] * v_j[0, 16 N), j ascending; the outputs stay in registers.
template <int N, class T>
void sum_values(const float* p, const T* v, std::int64_t head_dim, std::int64_t count, float* out) {
  F32x16 acc[N];
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) acc[i] = fill(0.0f);
  for (std::int64_t j = 0; j < count; ++j, v += head_dim) {
    const F32x16 weight = fill(p[j]);
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) acc[i] = fma(weight, load(v + 16 * i), acc[i]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) store(out + 16 * i, acc[i]);
}

// The same for fewer than sixteen outputs.
template <class T>
void sum_last_values(const float* p, const T* v, std::int64_t head_dim, std::int64_t count,
                     std::int64_t width, float* out) {
  F32x16 acc = fill(0.0f);
  for (std::int64_t j = 0; j < count; ++j, v += head_dim) {
    acc = fma(fill(p[j]), load_partial(v, width), acc);
  }
  store_partial(out, width, acc);
}

template <class T>
void sum_all_values(const float* p, const T* v, std::int64_t head_dim, std::int64_t count,
                    float* out) {
  constexpr int kWide = kVectorsInFlight;
  std::int64_t d = 0;
  for (; d + 16 * kWide <= head_dim; d += 16 * kWide) {
    sum_values<kWide>(p, v + d, head_dim, count, out + d);
  }
  for (; d + 64 <= head_dim; d += 64) sum_values<4>(p, v + d, head_dim, count, out + d);
  for (; d + 16 <= head_dim; d += 16) sum_values<1>(p, v + d, head_dim, count, out + d);
  if (d < head_dim) sum_last_values(p, v + d, head_dim, count, head_dim - d, out + d);
}

void weighted_sum(float* scores, float max, const void* v, CacheType type, std::int64_t head_dim,
                  std::int64_t begin, std::int64_t end, float* out, float* sum) noexcept {
  float* p = scores + begin;
  const std::int64_t count = end - begin;
  *sum = exp_and_sum(p, max, count);
  if (type == CacheType::kF16) {
    const auto* rows = static_cast<const std::uint16_t*>(v) + begin * head_dim;
    sum_all_values(p, rows, head_dim, count, out);
  } else {
    sum_all_values(p, static_cast<const float*>(v) + begin * head_dim, head_dim, count, out);
  }
}
