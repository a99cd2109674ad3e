// AMX tiles as the kernels of this folder use them: activations and codes into tiles, products, and
// sums out of them. Included inside the anonymous namespace.

// A tile: 16 tokens x 64 columns of activations, 16 matrix rows x 64 columns of codes (four lines
// of layout t2), 16 x 16 sums.
constexpr std::int64_t kTileCols = kTileRowBytes;
constexpr std::int64_t kTileLines = kTileCols / kTernaryLineCols;

constexpr std::int64_t kPairRows = 2 * kTernaryRowBlock;

constexpr std::int64_t lesser(std::int64_t a, std::int64_t b) noexcept { return a < b ? a : b; }

constexpr std::int64_t tiles_of(std::int64_t lines) noexcept {
  return (lines + kTileLines - 1) / kTileLines;
}

// Activations from (tokens, stride) to tiles (token tile, column tile, 16, 64); tokens that are
// missing from the last tile are never read.
void gather(const std::int8_t* q, std::int64_t stride, std::int64_t tokens, std::int64_t tiles,
            std::int8_t* out) noexcept {
  for (std::int64_t t = 0; t < tokens; ++t) {
    std::int8_t* to = out + t / kTileRows * tiles * kTileBytes + t % kTileRows * kTileCols;
    for (std::int64_t k = 0; k < tiles; ++k) {
      _mm512_store_si512(to + k * kTileBytes, _mm512_load_si512(q + t * stride + k * kTileCols));
    }
  }
}

// Tiles of codes of one row block, those of `blocks` row blocks alternating in memory.
struct CodeTiles {
  std::uint8_t* first;
  std::int64_t blocks;

  // Codes of columns 4j to 4j + 3 of a line.
  std::uint8_t* at(std::int64_t line, std::int64_t j) const noexcept {
    return first + line / kTileLines * blocks * kTileBytes + line % kTileLines * (4 * kTileCols) +
           j * kTileCols;
  }
};

// A line of layout t2, unpacked, is four rows of a tile as they are.
void store_codes(__m512i v, std::int64_t line, const CodeTiles& out) noexcept {
  const __m512i mask = _mm512_set1_epi8(0x03);
  _mm512_store_si512(out.at(line, 0), _mm512_and_si512(v, mask));
  _mm512_store_si512(out.at(line, 1), _mm512_and_si512(_mm512_srli_epi16(v, 2), mask));
  _mm512_store_si512(out.at(line, 2), _mm512_and_si512(_mm512_srli_epi16(v, 4), mask));
  _mm512_store_si512(out.at(line, 3), _mm512_and_si512(_mm512_srli_epi16(v, 6), mask));
}

// A tiles of tokens times B row blocks: the sums, in rows of so many bytes.
template <int A, int B>
void zero_sums() noexcept {
  _tile_zero(0);
  if constexpr (B > 1) _tile_zero(1);
  if constexpr (A > 1) _tile_zero(2);
  if constexpr (A > 1 && B > 1) _tile_zero(3);
}

template <int A, int B>
void load_sums(const void* from, std::int64_t stride) noexcept {
  const auto* in = static_cast<const char*>(from);
  _tile_loadd(0, in, stride);
  if constexpr (B > 1) _tile_loadd(1, in + 64, stride);
  if constexpr (A > 1) _tile_loadd(2, in + kTileRows * stride, stride);
  if constexpr (A > 1 && B > 1) _tile_loadd(3, in + kTileRows * stride + 64, stride);
}

template <int A, int B>
void store_sums(void* to, std::int64_t stride) noexcept {
  auto* out = static_cast<char*>(to);
  _tile_stored(0, out, stride);
  if constexpr (B > 1) _tile_stored(1, out + 64, stride);
  if constexpr (A > 1) _tile_stored(2, out + kTileRows * stride, stride);
  if constexpr (A > 1 && B > 1) _tile_stored(3, out + kTileRows * stride + 64, stride);
}

// Adds `tiles` tiles of columns to the sums. TILELOADDT1 leaves the codes in L1, which serve all
// tokens of a block; activations stream past them from L2.
template <int A, int B>
void multiply(const std::int8_t* a, const std::uint8_t* b, std::int64_t tiles) noexcept {
  const std::int64_t a_next = tiles * kTileBytes;  // the next 16 tokens
  for (std::int64_t k = 0; k < tiles; ++k, a += kTileBytes, b += B * kTileBytes) {
    _tile_loadd(6, b, kTileCols);
    _tile_stream_loadd(4, a, kTileCols);
    _tile_dpbsud(0, 4, 6);
    if constexpr (B > 1) {
      _tile_loadd(7, b + kTileBytes, kTileCols);
      _tile_dpbsud(1, 4, 7);
    }
    if constexpr (A > 1) {
      _tile_stream_loadd(5, a + a_next, kTileCols);
      _tile_dpbsud(2, 5, 6);
      if constexpr (B > 1) _tile_dpbsud(3, 5, 7);
    }
  }
}

// Where the sums of some tokens go: partial ones lie as int32 in y.
struct Outputs {
  const std::int32_t* sums;
  const float* scales;
  float* y;  // of the first token, at the first row
  std::int64_t y_stride;
  std::int64_t tokens;
  bool first;  // no partial sums in y yet
  bool last;   // y becomes the result

  std::int64_t y_bytes() const noexcept { return y_stride * std::int64_t{sizeof(float)}; }
};

template <int A, int B>
void begin_sums(const Outputs& out) noexcept {
  if (out.first) {
    zero_sums<A, B>();
  } else {
    load_sums<A, B>(out.y, out.y_bytes());
  }
}

template <int A, int B>
void end_sums(const Outputs& out) noexcept {
  if (!out.last) {
    store_sums<A, B>(out.y, out.y_bytes());
    return;
  }
  alignas(64) std::int32_t c[A * kTileRows * kPairRows];
  store_sums<A, B>(c, kPairRows * std::int64_t{sizeof(std::int32_t)});
  for (std::int64_t t = 0; t < out.tokens; ++t) {
    const __m512i sum = _mm512_set1_epi32(out.sums[t]);
    const __m512 scale = _mm512_set1_ps(out.scales[t]);
    for (int i = 0; i < B; ++i) {
      const __m512i dot = _mm512_load_si512(c + t * kPairRows + i * kTernaryRowBlock);
      _mm512_storeu_ps(out.y + t * out.y_stride + i * kTernaryRowBlock,
                       _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(dot, sum)), scale));
    }
  }
}
