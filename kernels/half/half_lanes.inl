// half.h on the vectors of one instruction set. Included inside the anonymous namespace of
// half_<isa>.cpp, behind kernels/simd/reading.h and
//   Vec, kLanes        a vector of binary32 and its width
//   fill, fma, mul, load, load_rows, store, store_rows   (the last lanes of "_rows" may not exist)
//   F16, Bf16, F32     Element and load(const Element*), of aligned weights as binary32
//   kTile, kTile6, kTile4, kTile2, kTile1   the register tiles, for kTile.tokens (or a third or two
//                                           thirds of them), 6, 4, 2, 1 tokens

constexpr int kPanelVectors = kHalfPanelRows / kLanes;

// A batch passes over the weights in blocks of this many columns and tokens: the activations of a
// block stay in L2 (528 KiB beside 512-bit vectors, whose processors have 1 MiB or more, otherwise
// 264), a tile of them in L1, and the weights as binary32 (at most 64 KiB) stream from L2 where L1
// is too small. Every block reads and writes the outputs once more, so wider ones are faster.
constexpr std::int64_t kBlockCols = kLanes >= 16 ? 512 : 256;
constexpr std::int64_t kBlockTokens = 264;
static_assert(kBlockTokens % kTile.tokens == 0 && kPanelVectors % kTile.vectors == 0);

// Fewer tokens than this do not repay the conversion of the weights.
constexpr std::int64_t kManyTokens = 24;

// The tokens behind the last whole tile fill a third of one, two or all of it.
constexpr int kThird = kTile.tokens / 3;
static_assert(kTile.tokens % 3 == 0);

// Where the outputs of a tile go: y at its first row and token; rows and tokens that exist.
struct Outputs {
  float* y;
  std::int64_t y_stride;
  std::int64_t rows;
  std::int64_t tokens;
  float scale;
  bool first;  // chains start here; otherwise y holds what the columns before left
  bool last;   // chains end here
};

// What a tile asks for at every column: nothing, or `Rows` weights of a panel that come later.
struct AskNothing {
  void operator()(std::int64_t) const noexcept {}
};
template <class Type, int Rows>
struct AskWeights {
  const typename Type::Element* first;
  void operator()(std::int64_t k) const noexcept {
    const auto* at = reinterpret_cast<const char*>(first + k * kHalfPanelRows);
#pragma GCC unroll 4
    for (int i = 0; i < Rows * static_cast<int>(sizeof(*first)); i += 64) {
      __builtin_prefetch(at + i, 0, 2);
    }
  }
};

// V vectors of rows against T tokens, V * T chains in flight. w: weight (r, k) at w[k * Stride +
// r]; x: activation (t, k) at x[k * T + t] where interleaved, otherwise at x[t * x_stride + k].
template <class Type, int V, int T, int Stride, bool Interleaved, class Ask = AskNothing>
void tile(const typename Type::Element* w, std::int64_t cols, const float* x, std::int64_t x_stride,
          const Outputs& out, const Ask& ask = {}) noexcept {
  Vec acc[T][V];
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) {
      acc[t][v] = out.first || t >= out.tokens
                      ? fill(0.0f)
                      : load_rows(out.y + t * out.y_stride + v * kLanes, out.rows - v * kLanes);
    }
  }
  for (std::int64_t k = 0; k < cols; ++k) {
    Vec weights[V];
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) weights[v] = Type::load(w + k * Stride + v * kLanes);
    ask(k);
#pragma GCC unroll 12
    for (int t = 0; t < T; ++t) {
      const Vec b = fill(Interleaved ? x[k * T + t] : x[t * x_stride + k]);
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) acc[t][v] = fma(weights[v], b, acc[t][v]);
    }
  }
  const Vec scale = fill(out.scale);
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
    if (t >= out.tokens) break;
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) {
      store_rows(out.y + t * out.y_stride + v * kLanes,
                 out.last ? mul(acc[t][v], scale) : acc[t][v], out.rows - v * kLanes);
    }
  }
}

// How far ahead of its use a panel is asked for that only some tokens need: 8 KiB of F16 (figures
// in kernels/README.md).
constexpr std::int64_t kAheadCols = 64;

// T tokens against a whole panel, V vectors of rows at a time; the first of them read it from
// memory.
template <class Type, int V, int T>
void panel_tile(const typename Type::Element* panel, std::int64_t cols, const float* x,
                std::int64_t x_stride, Outputs out, bool from_memory) noexcept {
  const std::int64_t rows = out.rows < kHalfPanelRows ? out.rows : kHalfPanelRows;
  for (std::int64_t r = 0; r < rows; r += V * kLanes, out.y += V * kLanes, out.rows -= V * kLanes) {
    if (from_memory && r == 0) {
      const AskWeights<Type, kHalfPanelRows> ask{panel + kAheadCols * kHalfPanelRows};
      tile<Type, V, T, kHalfPanelRows, false>(panel, cols, x, x_stride, out, ask);
    } else {
      tile<Type, V, T, kHalfPanelRows, false>(panel + r, cols, x, x_stride, out);
    }
  }
}

// A few tokens: weights come straight from their panel, for some of them at a time.
template <class Type>
void gemm_few(const HalfMatrix& w, const float* x, std::int64_t x_stride, std::int64_t tokens,
              float* y, std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  const auto* packed = static_cast<const typename Type::Element*>(w.packed);
  for (std::int64_t row = begin; row < end; row += kHalfPanelRows) {
    const auto* panel = packed + row * w.cols;
    for (std::int64_t t = 0; t < tokens;) {
      const std::int64_t left = tokens - t;
      const float* xt = x + t * x_stride;
      const Outputs out{y + t * y_stride + row, y_stride, end - row, left, w.scale, true, true};
      if (left >= 6) {
        panel_tile<Type, kTile6.vectors, 6>(panel, w.cols, xt, x_stride, out, t == 0);
        t += 6;
      } else if (left >= 4) {
        panel_tile<Type, kTile4.vectors, 4>(panel, w.cols, xt, x_stride, out, t == 0);
        t += 4;
      } else if (left >= 2) {
        panel_tile<Type, kTile2.vectors, 2>(panel, w.cols, xt, x_stride, out, t == 0);
        t += 2;
      } else {
        panel_tile<Type, kTile1.vectors, 1>(panel, w.cols, xt, x_stride, out, t == 0);
        t += 1;
      }
    }
  }
}

constexpr int kTileRows = kTile.vectors * static_cast<int>(kLanes);

// Rows [0, kTileRows) and columns [0, cols) of a panel as binary32: (cols, kTileRows), without the
// gaps that would leave half of the cache's sets unused.
template <class Type>
void expand(const typename Type::Element* panel, std::int64_t cols, float* out) noexcept {
  for (std::int64_t k = 0; k < cols; ++k, panel += kHalfPanelRows, out += kTileRows) {
#pragma GCC unroll 8
    for (int v = 0; v < kTile.vectors; ++v) {
      store(out + v * kLanes, Type::load(panel + v * kLanes));
    }
  }
}

// T neighbouring tokens as (cols, T); from the `tokens`th on they are 0. The inner loop writes
// along the tile, so that stores fill whole lines.
template <int T>
void interleave_tile(const float* x, std::int64_t x_stride, std::int64_t tokens, std::int64_t cols,
                     float* out) noexcept {
  if (tokens >= T) {
    for (std::int64_t k = 0; k < cols; ++k, out += T) {
#pragma GCC unroll 12
      for (int i = 0; i < T; ++i) out[i] = x[i * x_stride + k];
    }
  } else {
    for (std::int64_t k = 0; k < cols; ++k, out += T) {
      for (int i = 0; i < T; ++i) out[i] = i < tokens ? x[i * x_stride + k] : 0.0f;
    }
  }
}

template <int T>
struct Tokens {
  static constexpr int kCount = T;
};

// f(Tokens<T>()): T tokens is the size of the tile that `left` tokens begin with.
template <class F>
void with_tile(std::int64_t left, F&& f) noexcept {
  if (left > 2 * kThird) return f(Tokens<kTile.tokens>());
  if (left > kThird) return f(Tokens<2 * kThird>());
  f(Tokens<kThird>());
}

// Activations from (tokens, x_stride) to tiles one behind the other.
void interleave(const float* x, std::int64_t x_stride, std::int64_t tokens, std::int64_t cols,
                float* out) noexcept {
  for (std::int64_t t = 0; t < tokens; t += kTile.tokens) {
    with_tile(tokens - t, [&](auto count) {
      interleave_tile<count.kCount>(x + t * x_stride, x_stride, tokens - t, cols, out + t * cols);
    });
  }
}

// The first outputs of a tile that comes next: they lie a row apart, where no prefetcher looks, and
// the tile begins by reading them.
void prefetch_outputs(const Outputs& out) noexcept {
  for (std::int64_t t = 0; t < kTile.tokens && t < out.tokens; ++t) {
    for (std::int64_t r = 0; r < kTileRows && r < out.rows; r += 16) {
      __builtin_prefetch(out.y + t * out.y_stride + r, 1);
    }
  }
}

// One block of columns [k, k + cols) and tokens against all rows [begin, end).
template <class Type>
void gemm_block(const HalfMatrix& w, const float* tiles, std::int64_t k, std::int64_t cols,
                std::int64_t tokens, float* y, std::int64_t y_stride, std::int64_t begin,
                std::int64_t end) noexcept {
  alignas(64) float expanded[kBlockCols * kTileRows];
  const auto* packed = static_cast<const typename Type::Element*>(w.packed);
  const auto weights = [&](std::int64_t row, std::int64_t col) {
    const std::int64_t in_panel = row % kHalfPanelRows;
    return packed + (row - in_panel) * w.cols + col * kHalfPanelRows + in_panel;
  };
  const auto outputs = [&](std::int64_t row, std::int64_t t) {
    return Outputs{y + t * y_stride + row, y_stride, end - row, tokens - t, w.scale, k == 0,
                   k + cols == w.cols};
  };
  for (std::int64_t row = begin; row < end; row += kTileRows) {
    expand<Type>(weights(row, k), cols, expanded);
    const std::int64_t below = row + kTileRows;
    // Asked for by the first tile of tokens: what the next rows begin with.
    const auto* next = below < end ? weights(below, k) : weights(begin, k + cols);
    const AskWeights<Type, kTileRows> ask{next};
    for (std::int64_t t = 0; t < tokens; t += kTile.tokens) {
      const Outputs out = outputs(row, t);
      prefetch_outputs(t + kTile.tokens < tokens ? outputs(row, t + kTile.tokens)
                                                 : outputs(below, 0));
      with_tile(tokens - t, [&](auto count) {
        constexpr int kCount = count.kCount;
        const float* x = tiles + t * cols;
        if (t == 0) {
          tile<F32, kTile.vectors, kCount, kTileRows, true>(expanded, cols, x, 0, out, ask);
        } else {
          tile<F32, kTile.vectors, kCount, kTileRows, true>(expanded, cols, x, 0, out);
        }
      });
    }
  }
}

// Many tokens: blocks of tokens and columns, weights converted once per block.
template <class Type>
void gemm_many(const HalfMatrix& w, const float* x, std::int64_t x_stride, std::int64_t tokens,
               float* y, std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  alignas(64) float tiles[kBlockCols * kBlockTokens];
  for (std::int64_t t = 0; t < tokens; t += kBlockTokens) {
    const std::int64_t count = tokens - t < kBlockTokens ? tokens - t : kBlockTokens;
    for (std::int64_t k = 0; k < w.cols; k += kBlockCols) {
      const std::int64_t cols = w.cols - k < kBlockCols ? w.cols - k : kBlockCols;
      interleave(x + t * x_stride + k, x_stride, count, cols, tiles);
      gemm_block<Type>(w, tiles, k, cols, count, y + t * y_stride, y_stride, begin, end);
    }
  }
}

template <class Type>
void gemm_of(const HalfMatrix& w, const float* x, std::int64_t x_stride, std::int64_t tokens,
             float* y, std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  const auto gemm = tokens < kManyTokens ? gemm_few<Type> : gemm_many<Type>;
  gemm(w, x, x_stride, tokens, y, y_stride, begin, end);
}

void gemm(const HalfMatrix& w, const float* x, std::int64_t x_stride, std::int64_t tokens, float* y,
          std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  switch (w.type) {
    case HalfType::kF16:
      return gemm_of<F16>(w, x, x_stride, tokens, y, y_stride, begin, end);
    case HalfType::kBf16:
      return gemm_of<Bf16>(w, x, x_stride, tokens, y, y_stride, begin, end);
    case HalfType::kF32:
      return gemm_of<F32>(w, x, x_stride, tokens, y, y_stride, begin, end);
  }
}

// P neighbouring panels: as many streams of weights, each asked for ahead of its use.
template <class Type, class Reading, int P>
void gemv_panels(const HalfMatrix& w, const float* x, float* y, std::int64_t row,
                 std::int64_t end) noexcept {
  constexpr int kColumnBytes = kHalfPanelRows * static_cast<int>(sizeof(typename Type::Element));
  const auto* panels = static_cast<const typename Type::Element*>(w.packed) + row * w.cols;
  Vec acc[P][kPanelVectors];
#pragma GCC unroll 4
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 16
    for (int v = 0; v < kPanelVectors; ++v) acc[p][v] = fill(0.0f);
  }
  for (std::int64_t k = 0; k < w.cols; ++k) {
    const Vec b = fill(x[k]);
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      const auto* column = panels + (p * w.cols + k) * kHalfPanelRows;
      const auto* ahead = reinterpret_cast<const char*>(column) + Reading::kAheadBytes;
#pragma GCC unroll 4
      for (int i = 0; i < kColumnBytes; i += 64) {
        __builtin_prefetch(ahead + i, 0, Reading::kLocality);
      }
#pragma GCC unroll 16
      for (int v = 0; v < kPanelVectors; ++v) {
        acc[p][v] = fma(Type::load(column + v * kLanes), b, acc[p][v]);
      }
    }
  }
  const Vec scale = fill(w.scale);
#pragma GCC unroll 4
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 16
    for (int v = 0; v < kPanelVectors; ++v) {
      const std::int64_t at = row + p * kHalfPanelRows + v * kLanes;
      store_rows(y + at, mul(acc[p][v], scale), end - at);
    }
  }
}

template <class Type, class Reading>
void gemv_of(const HalfMatrix& w, const float* x, float* y, std::int64_t begin,
             std::int64_t end) noexcept {
  constexpr int kStreams = Reading::kStreams;
  std::int64_t row = begin;
  for (; end - row > (kStreams - 1) * kHalfPanelRows; row += kStreams * kHalfPanelRows) {
    gemv_panels<Type, Reading, kStreams>(w, x, y, row, end);
  }
  for (; row < end; row += kHalfPanelRows) gemv_panels<Type, Reading, 1>(w, x, y, row, end);
}

template <class Reading>
void gemv(const HalfMatrix& w, const float* x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  switch (w.type) {
    case HalfType::kF16:
      return gemv_of<F16, Reading>(w, x, y, begin, end);
    case HalfType::kBf16:
      return gemv_of<Bf16, Reading>(w, x, y, begin, end);
    case HalfType::kF32:
      return gemv_of<F32, Reading>(w, x, y, begin, end);
  }
}

std::int64_t peak(std::int64_t rounds) noexcept {
  constexpr int kChains = kTile.vectors * kTile.tokens;
  // Numbers the compiler does not know: it would skip 1 * 1, and compute equal chains once.
  volatile const float opaque_zero = 0.0f;
  volatile const float opaque_one = 1.0f;
  Vec acc[kChains];
#pragma GCC unroll 24
  for (int c = 0; c < kChains; ++c) acc[c] = fill(opaque_zero);
  const Vec one = fill(opaque_one);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int c = 0; c < kChains; ++c) acc[c] = fma(one, one, acc[c]);
  }
  std::int64_t done = 0;
#pragma GCC unroll 24
  for (int c = 0; c < kChains; ++c) {
    float lanes[kLanes];
    store(lanes, acc[c]);
    for (const float lane : lanes) done += static_cast<std::int64_t>(lane);
  }
  return done;
}

template <class Reading>
constexpr HalfKernels kKernels = {kHalfPanelRows,
                                  true,
                                  scalar::half_packed_bytes,
                                  scalar::half_pack,
                                  scalar::half_unpack_row,
                                  gemv<Reading>,
                                  gemm,
                                  peak,
                                  peak};
