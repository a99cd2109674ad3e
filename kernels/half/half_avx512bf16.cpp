// BF16 weights by the BF16 dot product of the CPU (VDPBF16PS), two columns a step. F16 and F32 go
// to avx512 as they are.
//
// Arithmetic of BF16, not that of half.h: with x^ = x rounded to BF16 (to nearest, ties to even),
//   y[r] = (chain over pairs of columns ascending, from +0, of acc + w[r][k] x^[k] + w[r][k + 1]
//           x^[k + 1]) * scale
// where every sum is rounded as the CPU likes (once or twice a pair; makers differ) and denormals
// are zeros on their way in and out. There is one chain per output, so batch, tile and threads
// still cannot change a bit on one model of CPU, but another may answer otherwise. What the answer
// is within: tests/kernels/bf16_test.cpp.
//
// Packed layout of BF16: bf16_layout.h; a register is 16 rows by 2 columns.
//
// Everything here has internal linkage or is an intrinsic (see check.h).

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands in its own header for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "kernels/half/bf16_layout.h"
#include "kernels/half/half.h"

namespace tern::kernels::avx512bf16 {
namespace {

#include "kernels/half/bf16_pairs.inl"

constexpr int kPanelVectors = kBf16PanelRows / kLanes;

// The widest register tile: 24 chains, one panel.
constexpr int kTileTokens = 12;

// A batch passes over the weights in blocks: the activations of a block fill at most this much (660
// KiB), which stays in L2 (1 MiB or more beside such instructions), and partial sums wait in y
// between blocks of columns. So the fewer tokens, the more columns, for a few tokens all of them.
constexpr std::int64_t kBlockTokens = 132;
constexpr std::int64_t kBlockPairs = 1280;
constexpr std::int64_t kBlockWords = kBlockTokens * kBlockPairs;
static_assert(kBlockTokens % kTileTokens == 0 && kBlockPairs % kLanes == 0);

// How far ahead of its use a tile asks for weights that come from memory.
constexpr std::int64_t kPrefetchBytes = 2048;

// Tokens of the next of the tiles that share `left` tokens; the last of them may lack some. Two
// tiles of 8 beat 12 and 4, whose chains are too few to hide how long a sum takes.
std::int64_t tile_tokens(std::int64_t left) noexcept {
  if (left > 16 || (left > 8 && left <= kTileTokens)) return kTileTokens;
  return left > 4 ? 8 : 4;
}

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

// The same pair in every lane. Not _mm512_set1_epi32: clang 16 does not survive that as an operand
// of the dot product.
__m512i everywhere(const Bf16Pair* pair) noexcept {
  return _mm512_broadcastd_epi32(_mm_loadu_si32(pair));
}

__m512 multiply_add(__m512 acc, __m512i weights, __m512i x) noexcept {
  return _mm512_dpbf16_ps(acc, reinterpret_cast<__m512bh>(weights), reinterpret_cast<__m512bh>(x));
}

// P neighbouring panels against T tokens, 2 P T chains in flight. w: the first pair of the first
// panel, panels panel_words apart; x: (pairs, Stride). Ahead: ask for weights before
// they are needed, which pays where memory is the limit.
template <int P, int T, int Stride, bool Ahead>
void tile(const Bf16Pair* w, std::int64_t panel_words, std::int64_t pairs, const Bf16Pair* x,
          const Outputs& out) noexcept {
  constexpr int kVectors = P * kPanelVectors;
  __m512 acc[T][kVectors];
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      acc[t][v] = out.first || t >= out.tokens
                      ? _mm512_setzero_ps()
                      : _mm512_maskz_loadu_ps(first_lanes(out.rows - v * kLanes),
                                              out.y + t * out.y_stride + v * kLanes);
    }
  }
  for (std::int64_t k = 0; k < pairs; ++k, w += kBf16PanelRows, x += Stride) {
    __m512i weights[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Bf16Pair* at = w + v / kPanelVectors * panel_words + v % kPanelVectors * kLanes;
      weights[v] = _mm512_load_si512(at);
      if (Ahead) __builtin_prefetch(reinterpret_cast<const char*>(at) + kPrefetchBytes, 0, 2);
    }
#pragma GCC unroll 12
    for (int t = 0; t < T; ++t) {
      const __m512i b = everywhere(x + t);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) acc[t][v] = multiply_add(acc[t][v], weights[v], b);
    }
  }
  const __m512 scale = _mm512_set1_ps(out.scale);
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
    if (t >= out.tokens) break;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      _mm512_mask_storeu_ps(out.y + t * out.y_stride + v * kLanes,
                            first_lanes(out.rows - v * kLanes),
                            out.last ? _mm512_mul_ps(acc[t][v], scale) : acc[t][v]);
    }
  }
}

// The four quarters of a register, `step` words apart.
void store_quarters(__m512i value, Bf16Pair* out, std::int64_t step) noexcept {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_castsi512_si128(value));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + step), _mm512_extracti32x4_epi32(value, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * step), _mm512_extracti32x4_epi32(value, 2));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 3 * step), _mm512_extracti32x4_epi32(value, 3));
}

// Activations from (tokens, x_stride) to one tile of (pairs, T), pairs rounded up to 16; missing
// tokens are 0.
template <int T>
void arrange(const float* x, std::int64_t x_stride, std::int64_t tokens, std::int64_t cols,
             Bf16Pair* out) noexcept {
  static_assert(T == 1 || T % 4 == 0);
  for (std::int64_t k = 0; k < cols; k += 2 * kLanes, out += kLanes * T) {
    if (T == 1) {
      _mm512_storeu_si512(out, round_pairs(x + k, cols - k));
      continue;
    }
#pragma GCC unroll 3
    for (int t = 0; t < T; t += 4) {
      __m512i token[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        token[i] = t + i < tokens ? round_pairs(x + (t + i) * x_stride + k, cols - k)
                                  : _mm512_setzero_si512();
      }
      // Transposes words within each quarter: pair 4 q + j of four tokens to quarter q of word j.
      const __m512i low01 = _mm512_unpacklo_epi32(token[0], token[1]);
      const __m512i low23 = _mm512_unpacklo_epi32(token[2], token[3]);
      const __m512i high01 = _mm512_unpackhi_epi32(token[0], token[1]);
      const __m512i high23 = _mm512_unpackhi_epi32(token[2], token[3]);
      store_quarters(_mm512_unpacklo_epi64(low01, low23), out + t, 4 * T);
      store_quarters(_mm512_unpackhi_epi64(low01, low23), out + T + t, 4 * T);
      store_quarters(_mm512_unpacklo_epi64(high01, high23), out + 2 * T + t, 4 * T);
      store_quarters(_mm512_unpackhi_epi64(high01, high23), out + 3 * T + t, 4 * T);
    }
  }
}

// A block of columns: what the tiles over it share.
struct Block {
  const Bf16Pair* w;  // its first pair in the first panel of the matrix
  std::int64_t panel_words;
  std::int64_t pairs;
  const Bf16Pair* x;  // tiles of (whole(pairs, 16), tokens of the tile)
};

// The outputs of the next tile of tokens: they lie a row apart, where no prefetcher looks, and the
// tile after this one begins by reading them.
void prefetch_outputs(const Outputs& out) noexcept {
  for (std::int64_t t = kTileTokens; t < 2 * kTileTokens && t < out.tokens; ++t) {
    for (std::int64_t r = 0; r < kBf16PanelRows && r < out.rows; r += 16) {
      __builtin_prefetch(out.y + t * out.y_stride + r, 1);
    }
  }
}

// One panel against all tokens of the block.
void panel_tiles(const Block& block, const Bf16Pair* w, Outputs out) noexcept {
  const Bf16Pair* x = block.x;
  while (out.tokens > 0) {
    const std::int64_t n = tile_tokens(out.tokens);
    if (n == kTileTokens) {
      prefetch_outputs(out);
      tile<1, kTileTokens, kTileTokens, false>(w, 0, block.pairs, x, out);
    } else if (n == 8) {
      tile<1, 8, 8, false>(w, 0, block.pairs, x, out);
    } else {
      tile<1, 4, 4, false>(w, 0, block.pairs, x, out);
    }
    x += whole(block.pairs, kLanes) * n;
    out.y += n * out.y_stride;
    out.tokens -= n;
  }
}

// All rows in groups of P panels, for as few tokens as one tile of T has: memory is the limit, and
// neighbouring panels are as many streams.
template <int P, int T, int Stride>
void few_tokens(const Block& block, Outputs out) noexcept {
  const Bf16Pair* w = block.w;
  for (; out.rows > (P - 1) * kBf16PanelRows;
       out.rows -= P * kBf16PanelRows, out.y += P * kBf16PanelRows) {
    tile<P, T, Stride, true>(w, block.panel_words, block.pairs, block.x, out);
    w += P * block.panel_words;
  }
  for (; out.rows > 0;
       out.rows -= kBf16PanelRows, out.y += kBf16PanelRows, w += block.panel_words) {
    tile<1, T, Stride, true>(w, 0, block.pairs, block.x, out);
  }
}

// All rows from out.y on.
void multiply_block(const Block& block, Outputs out) noexcept {
  if (out.tokens == 1) return few_tokens<4, 1, 1>(block, out);
  if (out.tokens == 2) return few_tokens<4, 2, 4>(block, out);
  if (out.tokens <= 4) return few_tokens<2, 4, 4>(block, out);
  const Bf16Pair* w = block.w;
  for (; out.rows > 0;
       out.rows -= kBf16PanelRows, out.y += kBf16PanelRows, w += block.panel_words) {
    panel_tiles(block, w, out);
  }
}

void arrange_block(const float* x, std::int64_t x_stride, std::int64_t tokens, std::int64_t cols,
                   Bf16Pair* out) noexcept {
  if (tokens == 1) return arrange<1>(x, x_stride, 1, cols, out);
  while (tokens > 0) {
    const std::int64_t n = tile_tokens(tokens);
    if (n == kTileTokens) {
      arrange<kTileTokens>(x, x_stride, tokens, cols, out);
    } else if (n == 8) {
      arrange<8>(x, x_stride, tokens, cols, out);
    } else {
      arrange<4>(x, x_stride, tokens, cols, out);
    }
    x += n * x_stride;
    tokens -= n;
    out += whole(bf16_pairs(cols), kLanes) * n;
  }
}

// Blocks of columns alike and as few as fit, a multiple of 16 pairs.
std::int64_t block_pairs(std::int64_t pairs, std::int64_t tokens) noexcept {
  const std::int64_t most = kBlockWords / whole(tokens, 4) / kLanes * kLanes;
  const std::int64_t blocks = (pairs + most - 1) / most;
  return whole((pairs + blocks - 1) / blocks, kLanes);
}

void multiply(const HalfMatrix& w, const float* x, std::int64_t x_stride, std::int64_t tokens,
              float* y, std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  alignas(64) Bf16Pair words[kBlockWords];
  const std::int64_t pairs = bf16_pairs(w.cols);
  const Bf16Pair* panels = static_cast<const Bf16Pair*>(w.packed) + begin * pairs;
  for (std::int64_t t = 0; t < tokens; t += kBlockTokens) {
    const std::int64_t count = smaller(tokens - t, kBlockTokens);
    const std::int64_t block = block_pairs(pairs, count);
    for (std::int64_t k = 0; k < pairs; k += block) {
      const std::int64_t n = smaller(pairs - k, block);
      arrange_block(x + t * x_stride + 2 * k, x_stride, count, smaller(w.cols - 2 * k, 2 * n),
                    words);
      multiply_block({panels + k * kBf16PanelRows, pairs * kBf16PanelRows, n, words},
                     {y + t * y_stride + begin, y_stride, end - begin, count, w.scale, k == 0,
                      k + n == pairs});
    }
  }
}

// Other matrices are multiplied by `Floats`.
template <const HalfKernels& Floats>
void gemv(const HalfMatrix& w, const float* x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  if (w.type != HalfType::kBf16) return Floats.gemv(w, x, y, begin, end);
  multiply(w, x, 0, 1, y, 0, begin, end);
}

void gemm(const HalfMatrix& w, const float* x, std::int64_t x_stride, std::int64_t tokens, float* y,
          std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  if (w.type != HalfType::kBf16) {
    return avx512::kHalf.gemm(w, x, x_stride, tokens, y, y_stride, begin, end);
  }
  multiply(w, x, x_stride, tokens, y, y_stride, begin, end);
}

std::int64_t peak(std::int64_t rounds) noexcept { return avx512::kHalf.peak(rounds); }

std::int64_t peak_bf16(std::int64_t rounds) noexcept {
  constexpr int kChains = 24;
  // Numbers the compiler does not know: it would compute equal chains once.
  volatile const float opaque_zero = 0.0f;
  volatile const Bf16Pair opaque_ones = 0x3f803f80;
  const Bf16Pair one_and_one = opaque_ones;
  __m512 acc[kChains];
#pragma GCC unroll 24
  for (int c = 0; c < kChains; ++c) acc[c] = _mm512_set1_ps(opaque_zero);
  const __m512i ones = everywhere(&one_and_one);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int c = 0; c < kChains; ++c) acc[c] = multiply_add(acc[c], ones, ones);
  }
  std::int64_t done = 0;
#pragma GCC unroll 24
  for (int c = 0; c < kChains; ++c) {
    float lanes[kLanes];
    _mm512_storeu_ps(lanes, acc[c]);
    for (const float lane : lanes) done += static_cast<std::int64_t>(lane);
  }
  return done;
}

template <const HalfKernels& Floats>
constexpr HalfKernels kKernels = {kBf16RowBlock,
                                  false,
                                  scalar::bf16_packed_bytes,
                                  scalar::bf16_pack,
                                  scalar::bf16_unpack_row,
                                  gemv<Floats>,
                                  gemm,
                                  peak,
                                  peak_bf16};

}  // namespace

constinit const HalfKernels kHalf = kKernels<avx512::kHalf>;
constinit const HalfKernels kHalfInTurn = kKernels<avx512::kHalfInTurn>;

}  // namespace tern::kernels::avx512bf16
