// A single token on amx+bf16, whose weights come from memory: fma in the order of a tile, with
// several streams, where tiles would leave bandwidth unused. Included inside the anonymous
// namespace of half_amxbf16.cpp.

// How far ahead of their use weights are asked for.
constexpr std::int64_t kTokenPrefetchBytes = 2048;

__m512 even_columns(__m512i pairs) noexcept {
  return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}
__m512 odd_columns(__m512i pairs) noexcept {
  return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(-0x10000)));
}

// What tiles compute, of one token and 16 rows.
class Chains {
 public:
  void start(__m512 sum) noexcept { sum_ = sum; }

  // A pair of columns: the weights of 16 rows times the activations of both columns.
  void add(__m512i pairs, float even, float odd) noexcept {
    even_ = _mm512_fmadd_ps(even_columns(pairs), _mm512_set1_ps(even), even_);
    odd_ = _mm512_fmadd_ps(odd_columns(pairs), _mm512_set1_ps(odd), odd_);
  }
  // The end of a column tile.
  void close() noexcept {
    sum_ = _mm512_add_ps(sum_, _mm512_add_ps(even_, odd_));
    even_ = _mm512_setzero_ps();
    odd_ = _mm512_setzero_ps();
  }
  __m512 sum() const noexcept { return sum_; }

 private:
  __m512 even_ = _mm512_setzero_ps();
  __m512 odd_ = _mm512_setzero_ps();
  __m512 sum_ = _mm512_setzero_ps();
};

// A token's activations, rounded to BF16, of a block of columns: those of each pair's first and
// second column. A multiple of 16 pairs.
constexpr std::int64_t kTokenPairs = 8192;
struct Token {
  alignas(64) float even[kTokenPairs];
  alignas(64) float odd[kTokenPairs];

  void round(const float* x, std::int64_t cols) noexcept {
    for (std::int64_t k = 0; k < cols; k += 2 * kLanes) {
      const __m512i pairs = round_pairs(x + k, cols - k);
      _mm512_store_ps(even + k / 2, even_columns(pairs));
      _mm512_store_ps(odd + k / 2, odd_columns(pairs));
    }
  }
};

// P neighbouring panels times a token: memory is the limit, and they are as many streams.
template <int P>
void multiply_token(const Bf16Pair* w, std::int64_t panel_words, std::int64_t pairs, const Token& x,
                    const Outputs& out) noexcept {
  constexpr int kVectors = 2 * P;
  Chains chains[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t row = v * kLanes;
    if (!out.first)
      chains[v].start(_mm512_maskz_loadu_ps(first_lanes(out.rows - row), out.y + row));
  }
  for (std::int64_t k = 0; k < pairs; k += kTilePairs) {
    const std::int64_t end = smaller(pairs, k + kTilePairs);
    for (std::int64_t i = k; i < end; ++i, w += kBf16PanelRows) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        const Bf16Pair* at = w + v / 2 * panel_words + v % 2 * kLanes;
        _mm_prefetch(reinterpret_cast<const char*>(at) + kTokenPrefetchBytes, _MM_HINT_T1);
        chains[v].add(_mm512_load_si512(at), x.even[i], x.odd[i]);
      }
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) chains[v].close();
  }
  const __m512 scale = _mm512_set1_ps(out.last ? out.scale : 1.0f);
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t row = v * kLanes;
    _mm512_mask_storeu_ps(out.y + row, first_lanes(out.rows - row),
                          _mm512_mul_ps(chains[v].sum(), scale));
  }
}

void multiply_rows(const Bf16Pair* w, std::int64_t panel_words, std::int64_t pairs, const Token& x,
                   Outputs out) noexcept {
  constexpr int kPanels = 4;
  for (; out.rows > (kPanels - 1) * kBf16PanelRows; out.rows -= kPanels * kBf16PanelRows) {
    multiply_token<kPanels>(w, panel_words, pairs, x, out);
    w += kPanels * panel_words;
    out.y += kPanels * kBf16PanelRows;
  }
  for (; out.rows > 0; out.rows -= kBf16PanelRows, w += panel_words) {
    multiply_token<1>(w, panel_words, pairs, x, out);
    out.y += kBf16PanelRows;
  }
}

[[gnu::noinline]] void multiply_one(const HalfMatrix& w, const float* x, float* y,
                                    std::int64_t begin, std::int64_t end) noexcept {
  Token token;
  const std::int64_t pairs = bf16_pairs(w.cols);
  const Bf16Pair* panels = static_cast<const Bf16Pair*>(w.packed) + begin * pairs;
  for (std::int64_t k = 0; k < pairs; k += kTokenPairs) {
    const std::int64_t n = smaller(pairs - k, kTokenPairs);
    token.round(x + 2 * k, smaller(w.cols - 2 * k, 2 * n));
    multiply_rows(panels + k * kBf16PanelRows, pairs * kBf16PanelRows, n, token,
                  {y + begin, 0, end - begin, 1, w.scale, k == 0, k + n == pairs});
  }
}
