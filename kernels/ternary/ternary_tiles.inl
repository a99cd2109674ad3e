// ternary.h for registers of 128 and 256 bits. Included inside the anonymous namespace of
// ternary_<isa>.cpp, behind
//   kTile            tokens of the widest register tile
//   kTileStep        tiles have a multiple of this many tokens, the last ones zeros if need be
//   kWordBytes       bytes of one token that lie together in interleaved activations
//   expand(packed, lines, ahead, codes)    lines of t2 to kExpandedLineBytes of codes each, in
//                                          whatever order dot_tile wants them; asks for the lines
//                                          `ahead`, of the next row block
//   dot_tile<T>(codes, lines, words, sums) adds the products of at most kChunkLines expanded lines
//                                          with T tokens to sums[T][16]
//   kSideBySide      row blocks that gemv takes line by line; divides kStreams
//   kStripLines      lines that it takes at most before it turns to other row blocks
//   kPrefetchLines   how far ahead of its use gemv asks for each line
//   dot_strip<B>(packed, block_bytes, lines, ahead, q, sums)
//                    adds the products of `lines` lines of t2 of B row blocks, block_bytes apart,
//                    with one token to sums[B][16], and asks for what lies `ahead` of each
//
// A batch passes over the weights in chunks of 1280 columns. The codes of a chunk of one row block
// are expanded once (20 KiB) for all tokens of a group, whose activations of these columns are
// interleaved by register tile (120 KiB or less): one tile's and the codes stream through L1, the
// other tiles wait in L2.

constexpr std::int64_t kChunkLines = 80;
constexpr std::int64_t kChunkCols = kChunkLines * kTernaryLineCols;
constexpr std::int64_t kGroupTokens = 96;
static_assert(kGroupTokens % kTile == 0 && kTile % kTileStep == 0);

// dot_tile may load whole registers of words, of which the last are not its own.
constexpr std::int64_t kOverread = 16;

// Row blocks that gemv reads at once.
constexpr int kStreams = 4;
static_assert(kStreams % kSideBySide == 0);
constexpr std::int64_t kPrefetchBytes = kPrefetchLines * kTernaryLineBytes;

using RowSums = std::int32_t[kTernaryRowBlock];

void finish_rows(float* y, const RowSums& acc, std::int32_t sum, float scale,
                 std::int64_t rows) noexcept {
  if (rows >= kTernaryRowBlock) {
    for (int r = 0; r < kTernaryRowBlock; ++r) y[r] = static_cast<float>(acc[r] - sum) * scale;
  } else {
    for (std::int64_t r = 0; r < rows; ++r) y[r] = static_cast<float>(acc[r] - sum) * scale;
  }
}

// Rows [row, row + 16 B), of which `end` may cut off the last.
template <int B>
void gemv_blocks(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t row,
                 std::int64_t end) noexcept {
  const std::int64_t lines = ternary_lines(w.cols);
  const std::int64_t block_bytes = lines * kTernaryLineBytes;
  const std::uint8_t* packed = w.packed + row / kTernaryRowBlock * block_bytes;
  alignas(64) RowSums sums[B] = {};
  // Behind the end of its row block a stream goes on B blocks later, not where its neighbour began.
  const std::int64_t turn = lines > kPrefetchLines ? lines - kPrefetchLines : 0;
  std::int64_t count = 0;
  for (std::int64_t line = 0; line < lines; line += count) {
    const std::int64_t left = (line < turn ? turn : lines) - line;
    count = left < kStripLines ? left : kStripLines;
    const std::int64_t ahead = kPrefetchBytes + (line < turn ? 0 : (B - 1) * block_bytes);
    constexpr int kBlocks = B < kSideBySide ? B : kSideBySide;
    for (int b = 0; b < B; b += kBlocks) {
      dot_strip<kBlocks>(packed + b * block_bytes + line * kTernaryLineBytes, block_bytes, count,
                         ahead, x.q + line * kTernaryLineCols, sums + b);
    }
  }
  for (int b = 0; b < B; ++b, row += kTernaryRowBlock) {
    finish_rows(y + row, sums[b], x.sums[0], x.scales[0], end - row);
  }
}

void gemv(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  std::int64_t row = begin;
  for (; end - row > (kStreams - 1) * kTernaryRowBlock; row += kStreams * kTernaryRowBlock) {
    gemv_blocks<kStreams>(w, x, y, row, end);
  }
  for (; row < end; row += kTernaryRowBlock) gemv_blocks<1>(w, x, y, row, end);
}

// Activations from (tokens, stride) to (cols / kWordBytes, T, kWordBytes); tokens that do not exist
// are 0.
template <int T>
void interleave(const std::int8_t* q, std::int64_t stride, std::int64_t cols, std::int64_t tokens,
                std::int8_t* words) noexcept {
  static constexpr std::int8_t kZeros[kChunkCols] = {};
  const std::int8_t* rows[T];
#pragma GCC unroll 6
  for (int t = 0; t < T; ++t) rows[t] = t < tokens ? q + t * stride : kZeros;
  for (std::int64_t k = 0; k < cols; k += kWordBytes) {
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t, words += kWordBytes) std::memcpy(words, rows[t] + k, kWordBytes);
  }
}

// The width of the first register tile of `tokens`: as few tiles as possible, of sizes as equal as
// possible, because a narrow tile keeps fewer chains of additions in flight.
std::int64_t tile_width(std::int64_t tokens) noexcept {
  const std::int64_t steps = (tokens + kTileStep - 1) / kTileStep;
  const std::int64_t tiles = (steps * kTileStep + kTile - 1) / kTile;
  return (steps + tiles - 1) / tiles * kTileStep;
}

struct Outputs {
  float* y;  // of the tile's first token, at the first row of the block
  std::int64_t y_stride;
  std::int64_t rows;    // that exist from there on
  std::int64_t tokens;  // likewise
  const std::int32_t* sums;
  const float* scales;
  bool first;  // no partial sums in y yet
  bool last;   // y becomes the result
};

// One chunk of one row block against T tokens. Between chunks y holds the sums.
template <int T>
void tile(const std::uint8_t* codes, std::int64_t lines, const std::int8_t* words,
          const Outputs& out) noexcept {
  alignas(64) RowSums sums[T] = {};
  const std::int64_t tokens = out.tokens < T ? out.tokens : T;
  const bool whole = out.rows >= kTernaryRowBlock;
  const std::size_t bytes = whole ? sizeof(RowSums) : static_cast<std::size_t>(4 * out.rows);
  if (!out.first) {
    for (std::int64_t t = 0; t < tokens; ++t) std::memcpy(sums[t], out.y + t * out.y_stride, bytes);
  }
  // The next row block's outputs: the tokens lie a row apart, where no prefetcher looks.
  for (std::int64_t t = 0; t < tokens; ++t) {
    __builtin_prefetch(out.y + t * out.y_stride + kTernaryRowBlock, 1, 2);
  }
  dot_tile<T>(codes, lines, words, sums);
  for (std::int64_t t = 0; t < tokens; ++t) {
    float* y = out.y + t * out.y_stride;
    if (out.last) {
      finish_rows(y, sums[t], out.sums[t], out.scales[t], out.rows);
    } else {
      std::memcpy(y, sums[t], bytes);
    }
  }
}

// The same for a width that the compiler does not know, and for `interleave`.
template <int T>
void tile_of(std::int64_t width, const std::uint8_t* codes, std::int64_t lines,
             const std::int8_t* words, const Outputs& out) noexcept {
  if constexpr (T > kTileStep) {
    if (width < T) return tile_of<T - kTileStep>(width, codes, lines, words, out);
  }
  tile<T>(codes, lines, words, out);
}

template <int T>
void interleave_of(std::int64_t width, const std::int8_t* q, std::int64_t stride, std::int64_t cols,
                   std::int64_t tokens, std::int8_t* words) noexcept {
  if constexpr (T > kTileStep) {
    if (width < T) return interleave_of<T - kTileStep>(width, q, stride, cols, tokens, words);
  }
  interleave<T>(q, stride, cols, tokens, words);
}

// Tokens [t0, t1), at most kGroupTokens, against rows [begin, end).
void gemm_group(const TernaryMatrix& w, const QuantizedBatch& x, std::int64_t t0, std::int64_t t1,
                float* y, std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  alignas(64) std::int8_t words[kGroupTokens * kChunkCols + kOverread];
  alignas(64) std::uint8_t codes[kChunkLines * kExpandedLineBytes];
  const std::int64_t lines = ternary_lines(w.cols);
  for (std::int64_t line = 0; line < lines; line += kChunkLines) {
    const std::int64_t count = lines - line < kChunkLines ? lines - line : kChunkLines;
    const std::int64_t cols = count * kTernaryLineCols;
    const std::int8_t* q = x.q + line * kTernaryLineCols;
    for (std::int64_t t = t0, width = 0; t < t1; t += width) {
      width = tile_width(t1 - t);
      interleave_of<kTile>(width, q + t * x.stride, x.stride, cols, t1 - t,
                           words + (t - t0) * cols);
    }
    for (std::int64_t row = begin; row < end; row += kTernaryRowBlock) {
      expand(w.packed + (row / kTernaryRowBlock * lines + line) * kTernaryLineBytes, count,
             lines * kTernaryLineBytes, codes);
      for (std::int64_t t = t0, width = 0; t < t1; t += width) {
        width = tile_width(t1 - t);
        tile_of<kTile>(width, codes, count, words + (t - t0) * cols,
                       {y + t * y_stride + row, y_stride, end - row, t1 - t, x.sums + t,
                        x.scales + t, line == 0, line + count == lines});
      }
    }
  }
}

void gemm(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t y_stride,
          std::int64_t begin, std::int64_t end) noexcept {
  if (x.tokens == 1) return gemv(w, x, y, begin, end);
  const std::int64_t groups = (x.tokens + kGroupTokens - 1) / kGroupTokens;
  const std::int64_t tiles = (x.tokens + groups * kTile - 1) / (groups * kTile);
  const std::int64_t group = tiles * kTile;
  for (std::int64_t t = 0; t < x.tokens; t += group) {
    gemm_group(w, x, t, x.tokens - t < group ? x.tokens : t + group, y, y_stride, begin, end);
  }
}
