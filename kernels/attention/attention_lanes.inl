// attention.h on sixteen lanes. Included inside the anonymous namespace of attention_<isa>.cpp,
// behind its lanes header and simd/lanes_math.inl. T is the type of the cache in memory:
// std::uint16_t (binary16) or float. Tiles of Q queries convert a key or value once for all of
// them; a single query takes more keys or outputs at a time instead, to hide the latency of fma.

// Keys that stay in the nearest cache while all queries pass over them.
constexpr std::int64_t kKeysNear = 64;

// Asks for `bytes` of memory that will be read soon. With many queries the arithmetic takes longer
// than the memory.
template <int Q>
void ask_ahead(const void* rows, std::int64_t bytes) {
  constexpr std::int64_t kAhead = 2048;
  if constexpr (Q <= 4) {
    for (std::int64_t at = 0; at < bytes; at += 64) {
      __builtin_prefetch(static_cast<const char*>(rows) + kAhead + at);
    }
  }
}

// Dot products of Q queries with K consecutive keys, not yet merged: Q * K independent chains.
// fma(-0, +0, a) is a for every a, zeros of both signs included, so a partial vector is exact with
// the missing lanes of q at -0.
template <int Q, int K, class T>
void dot_tile(const float* const* q, const T* rows, std::int64_t head_dim, F32x16* dots) {
  F32x16 acc[Q][K];
  F32x16 query[Q];
#pragma GCC unroll 8
  for (int i = 0; i < Q; ++i) {
#pragma GCC unroll 8
    for (int key = 0; key < K; ++key) acc[i][key] = fill(0.0f);
  }
  std::int64_t d = 0;
  for (; d + 16 <= head_dim; d += 16) {
#pragma GCC unroll 8
    for (int i = 0; i < Q; ++i) query[i] = load(q[i] + d);
#pragma GCC unroll 8
    for (int key = 0; key < K; ++key) {
      const F32x16 value = load(rows + key * head_dim + d);
#pragma GCC unroll 8
      for (int i = 0; i < Q; ++i) acc[i][key] = fma(query[i], value, acc[i][key]);
    }
  }
  if (d < head_dim) {
    const std::int64_t rest = head_dim - d;
#pragma GCC unroll 8
    for (int i = 0; i < Q; ++i) query[i] = load_partial(q[i] + d, rest, -0.0f);
#pragma GCC unroll 8
    for (int key = 0; key < K; ++key) {
      const F32x16 value = load_partial(rows + key * head_dim + d, rest);
#pragma GCC unroll 8
      for (int i = 0; i < Q; ++i) acc[i][key] = fma(query[i], value, acc[i][key]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Q; ++i) {
#pragma GCC unroll 8
    for (int key = 0; key < K; ++key) dots[i * K + key] = acc[i][key];
  }
}

// K: a multiple of 4 for one query; else it divides 4.
template <int Q, int K, class T>
void scores_tile(const float* const* q, const T* k, std::int64_t head_dim, float scale,
                 std::int64_t begin, std::int64_t end, float* scores, std::int64_t stride) {
  constexpr int kStep = K < 4 ? 4 : K;
  F32x16 dots[Q * K];
  F32x16 four[4];
  std::int64_t j = begin;
  for (; j + kStep <= end; j += kStep) {
    ask_ahead<Q>(k + j * head_dim, kStep * head_dim * static_cast<std::int64_t>(sizeof(T)));
    if constexpr (K >= 4) {
      dot_tile<Q, K>(q, k + j * head_dim, head_dim, dots);
#pragma GCC unroll 8
      for (int i = 0; i < Q; ++i) {
#pragma GCC unroll 2
        for (int key = 0; key < K; key += 4) {
          merge_4_scaled(dots + i * K + key, scale, scores + i * stride + j + key);
        }
      }
    } else {
      F32x16 all[4 / K][Q * K];
      for (int part = 0; part < 4 / K; ++part) {
        dot_tile<Q, K>(q, k + (j + part * K) * head_dim, head_dim, all[part]);
      }
      for (int i = 0; i < Q; ++i) {
        for (int key = 0; key < 4; ++key) four[key] = all[key / K][i * K + key % K];
        merge_4_scaled(four, scale, scores + i * stride + j);
      }
    }
  }
  for (; j < end; ++j) {
    dot_tile<Q, 1>(q, k + j * head_dim, head_dim, dots);
    for (int i = 0; i < Q; ++i) scores[i * stride + j] = merge(dots[i]) * scale;
  }
}

// All queries over a few keys.
template <class T>
void scores_near(const float* const* q, std::int64_t queries, const T* k, std::int64_t head_dim,
                 float scale, std::int64_t begin, std::int64_t end, float* scores,
                 std::int64_t stride) {
  std::int64_t i = 0;
  const auto tile = [&](auto run, int many) {
    for (; i + many <= queries; i += many) {
      run(q + i, k, head_dim, scale, begin, end, scores + i * stride, stride);
    }
  };
  if constexpr (kTileQueries > 4) {
    tile(scores_tile<kTileQueries, kTileKeys, T>, kTileQueries);
    tile(scores_tile<4, kTileKeys, T>, 4);
  }
  tile(scores_tile<2, kTileKeys, T>, 2);
  tile(scores_tile<1, kKeysInFlight, T>, 1);
}

template <class T>
void scores_of(const float* const* q, std::int64_t queries, const T* k, std::int64_t head_dim,
               float scale, std::int64_t begin, std::int64_t end, float* scores,
               std::int64_t stride) {
  for (std::int64_t j = begin; j < end; j += kKeysNear) {
    const std::int64_t stop = j + kKeysNear < end ? j + kKeysNear : end;
    scores_near(q, queries, k, head_dim, scale, j, stop, scores, stride);
  }
}

void scores(const float* const* q, std::int64_t queries, const void* k, CacheType type,
            std::int64_t head_dim, float scale, std::int64_t begin, std::int64_t end, float* scores,
            std::int64_t stride) noexcept {
  if (type == CacheType::kF16) {
    scores_of(q, queries, static_cast<const std::uint16_t*>(k), head_dim, scale, begin, end, scores,
              stride);
  } else {
    scores_of(q, queries, static_cast<const float*>(k), head_dim, scale, begin, end, scores,
              stride);
  }
}

float largest_score(const float* scores, std::int64_t n) noexcept { return largest(scores, n); }

float weigh(float* scores, float max, std::int64_t n) noexcept {
  return exp_and_sum(scores, max, n);
}

// out[i][d, d + 16 N) of Q queries; v points at column d, and the outputs stay in registers.
template <int Q, int N, class T>
void sum_tile(const float* p, std::int64_t stride, const T* v, std::int64_t head_dim,
              std::int64_t count, float* const* out, std::int64_t d) {
  F32x16 acc[Q][N];
  F32x16 value[N];
#pragma GCC unroll 8
  for (int i = 0; i < Q; ++i) {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) acc[i][n] = load(out[i] + d + 16 * n);
  }
  for (std::int64_t j = 0; j < count; ++j, v += head_dim) {
    ask_ahead<Q>(v, 16 * N * static_cast<std::int64_t>(sizeof(T)));
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) value[n] = load(v + 16 * n);
#pragma GCC unroll 8
    for (int i = 0; i < Q; ++i) {
      const F32x16 weight = fill(p[i * stride + j]);
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) acc[i][n] = fma(weight, value[n], acc[i][n]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Q; ++i) {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) store(out[i] + d + 16 * n, acc[i][n]);
  }
}

// The same for one query and fewer than sixteen outputs.
template <class T>
void sum_last(const float* p, const T* v, std::int64_t head_dim, std::int64_t count,
              std::int64_t width, float* out) {
  F32x16 acc = load_partial(out, width, 0.0f);
  for (std::int64_t j = 0; j < count; ++j, v += head_dim) {
    acc = fma(fill(p[j]), load_partial(v, width), acc);
  }
  store_partial(out, width, acc);
}

// Columns [d, d + 16 N) of all queries: the values stay in the nearest cache.
template <int N, class T>
void sum_columns(const float* p, std::int64_t stride, std::int64_t queries, const T* v,
                 std::int64_t head_dim, std::int64_t count, float* const* out, std::int64_t d) {
  std::int64_t i = 0;
  const auto tile = [&](auto run, int many) {
    for (; i + many <= queries; i += many) {
      run(p + i * stride, stride, v + d, head_dim, count, out + i, d);
    }
  };
  if constexpr (kTileQueries > 4) {
    tile(sum_tile<kTileQueries, N, T>, kTileQueries);
    tile(sum_tile<4, N, T>, 4);
  }
  tile(sum_tile<2, N, T>, 2);
  tile(sum_tile<1, N, T>, 1);
}

// p and v begin at the first of `count` keys.
template <class T>
void sum_values(const float* p, std::int64_t stride, std::int64_t queries, const T* v,
                std::int64_t head_dim, std::int64_t count, float* const* out) {
  std::int64_t d = 0;
  if (queries == 1) {
    for (; d + 16 * kVectorsInFlight <= head_dim; d += 16 * kVectorsInFlight) {
      sum_tile<1, kVectorsInFlight>(p, stride, v + d, head_dim, count, out, d);
    }
  }
  for (; d + 16 * kTileVectors <= head_dim; d += 16 * kTileVectors) {
    sum_columns<kTileVectors>(p, stride, queries, v, head_dim, count, out, d);
  }
  for (; d + 16 <= head_dim; d += 16) {
    sum_columns<1>(p, stride, queries, v, head_dim, count, out, d);
  }
  for (std::int64_t i = 0; i < queries && d < head_dim; ++i) {
    sum_last(p + i * stride, v + d, head_dim, count, head_dim - d, out[i] + d);
  }
}

void weighted_sum(const float* p, std::int64_t stride, std::int64_t queries, const void* v,
                  CacheType type, std::int64_t head_dim, std::int64_t begin, std::int64_t end,
                  float* const* out) noexcept {
  const std::int64_t count = end - begin;
  const std::int64_t first = begin * head_dim;
  if (type == CacheType::kF16) {
    sum_values(p + begin, stride, queries, static_cast<const std::uint16_t*>(v) + first, head_dim,
               count, out);
  } else {
    sum_values(p + begin, stride, queries, static_cast<const float*>(v) + first, head_dim, count,
               out);
  }
}
