// BF16 weights by TDPBF16PS: a tile of 16 tokens x 32 columns of activations times a tile of 32
// columns x 16 rows of weights, into 16 x 16 sums. F16 and F32 go to avx512 as they are.
//
// Arithmetic of this instruction, neither that of half.h nor that of half_avx512bf16.cpp:
// activations are rounded to BF16 (to nearest, ties to even); of every 32 columns, one fma chain
// over the even ones and one over the odd ones, both from +0, are added, and their sum to the
// output; denormals are zeros on their way in and out (Intel SDM volume 2, TDPBF16PS). A single
// token takes the same instruction, so batch and threads still cannot change a bit.
//
// Packed layout: bf16_layout.h; 16 rows by 16 pairs are a tile of weights as they lie.
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

namespace tern::kernels::amxbf16 {
namespace {

#include "kernels/simd/amx_config.inl"

#include "kernels/half/bf16_pairs.inl"

constexpr std::int64_t kTilePairs = kTileRowBytes / std::int64_t{sizeof(Bf16Pair)};
constexpr std::int64_t kTileWords = kTileRows * kTilePairs;
constexpr std::int64_t kPanelRowBytes = kBf16PanelRows * std::int64_t{sizeof(Bf16Pair)};
constexpr std::int64_t kPanelTileWords = kTilePairs * kBf16PanelRows;
static_assert(kTilePairs == kLanes && kBf16PanelRows == 2 * kTileRows);

// A batch passes over the weights in blocks whose activations stay in L2 (1.25 MiB of at least 2).
// The weights of a panel and a chunk of a block stay in L1 (32 KiB of at least 48) for all tokens.
// Sums wait in a buffer between chunks, in y between blocks. Many tokens, for even 128 of them do
// not hide how long the weights take from memory.
constexpr std::int64_t kBlockTokens = 256;
constexpr std::int64_t kBlockTiles = 80;
constexpr std::int64_t kBlockTokenTiles = kBlockTokens / kTileRows;
constexpr std::int64_t kBlockWords = kBlockTokenTiles * kBlockTiles * kTileWords;
constexpr std::int64_t kChunkTiles = 16;

// How far ahead of its use a tile of few tokens asks for weights that come from memory.
constexpr std::int64_t kPrefetchBytes = 4096;

std::int64_t tiles_of(std::int64_t pairs) noexcept { return (pairs + kTilePairs - 1) / kTilePairs; }

// Activations to (token tile, column tile, token, pair); missing tokens are never read.
void gather(const float* x, std::int64_t x_stride, std::int64_t tokens, std::int64_t cols,
            Bf16Pair* out) noexcept {
  const std::int64_t step = tiles_of(bf16_pairs(cols)) * kTileWords;
  for (std::int64_t t = 0; t < tokens; ++t, x += x_stride) {
    Bf16Pair* to = out + t / kTileRows * step + t % kTileRows * kTilePairs;
    for (std::int64_t k = 0; k < cols; k += 2 * kTilePairs, to += kTileWords) {
      _mm512_store_si512(to, round_pairs(x + k, cols - k));
    }
  }
}

// Where outputs go: y at their first row and token; rows and tokens that exist.
struct Outputs {
  float* y;
  std::int64_t y_stride;
  std::int64_t rows;
  std::int64_t tokens;
  float scale;
  bool first;  // sums start here; otherwise y holds what the columns before left
  bool last;   // sums end here
};

// Sums of a panel: (token tile, row tile, token, row).
float* sums_at(float* sums, std::int64_t token) noexcept {
  return sums + token / kTileRows * (2 * kTileWords) + token % kTileRows * kTileRows;
}

void take_sums(const Outputs& out, float* sums) noexcept {
  for (std::int64_t t = 0; t < out.tokens; ++t) {
    const float* y = out.y + t * out.y_stride;
    float* to = sums_at(sums, t);
    _mm512_store_ps(to, _mm512_maskz_loadu_ps(first_lanes(out.rows), y));
    _mm512_store_ps(to + kTileWords,
                    _mm512_maskz_loadu_ps(first_lanes(out.rows - kTileRows), y + kTileRows));
  }
}

// Asks for the outputs of some tokens, which lie a row apart, where no prefetcher looks.
void prefetch_outputs(const Outputs& out, std::int64_t first, std::int64_t tokens) noexcept {
  for (std::int64_t t = first; t < first + tokens; ++t) {
    const float* y = out.y + t * out.y_stride;
    __builtin_prefetch(y, 1);
    if (out.rows > kTileRows) __builtin_prefetch(y + kTileRows, 1);
  }
}

void give_sums(const Outputs& out, float* sums) noexcept {
  const __m512 scale = _mm512_set1_ps(out.last ? out.scale : 1.0f);
  for (std::int64_t t = 0; t < out.tokens; ++t) {
    float* y = out.y + t * out.y_stride;
    const float* from = sums_at(sums, t);
    _mm512_mask_storeu_ps(y, first_lanes(out.rows), _mm512_mul_ps(_mm512_load_ps(from), scale));
    _mm512_mask_storeu_ps(y + kTileRows, first_lanes(out.rows - kTileRows),
                          _mm512_mul_ps(_mm512_load_ps(from + kTileWords), scale));
  }
}

// A block of columns: what the panels of a matrix share.
struct Block {
  const Bf16Pair* w;  // its first pair in the first panel
  std::int64_t panel_words;
  std::int64_t pairs;
  const Bf16Pair* x;  // as gather leaves them

  std::int64_t tiles() const noexcept { return tiles_of(pairs); }
};

// The tiles of weights of one panel in a block: as they lie, but for the last one if it is not
// whole, for behind it lies another panel or nothing.
class PanelTiles {
 public:
  PanelTiles(const Bf16Pair* w, std::int64_t pairs) noexcept : w_(w), whole_(pairs / kTilePairs) {
    const std::int64_t left = pairs % kTilePairs;
    if (left == 0) return;
    for (std::int64_t i = 0; i < kPanelTileWords; i += kLanes) {
      const bool exists = i < left * kBf16PanelRows;
      _mm512_store_si512(last_ + i, exists ? _mm512_load_si512(w + whole_ * kPanelTileWords + i)
                                           : _mm512_setzero_si512());
    }
  }
  const Bf16Pair* at(std::int64_t tile) const noexcept {
    return tile < whole_ ? w_ + tile * kPanelTileWords : last_;
  }

 private:
  const Bf16Pair* w_;
  std::int64_t whole_;
  alignas(64) Bf16Pair last_[kPanelTileWords];
};

// Asks for what lies kPrefetchBytes behind a tile of a panel.
void prefetch_behind(const Bf16Pair* w) noexcept {
  const char* at = reinterpret_cast<const char*>(w) + kPrefetchBytes;
#pragma GCC unroll 32
  for (int i = 0; i < 2 * kTileRows; ++i) _mm_prefetch(at + i * kTileRowBytes, _MM_HINT_T0);
}

// Some column tiles of a block.
struct Chunk {
  std::int64_t begin, end;
};

// Asks for the weights of the next chunk while all tokens meet those of this one.
struct Prefetch {
  const char* at;
  std::int64_t lines;  // a tile

  void step() noexcept {
    for (std::int64_t i = 0; i < lines; ++i, at += kTileRowBytes) _mm_prefetch(at, _MM_HINT_T1);
  }
};

// A tiles of tokens times a panel, added to the sums in tiles 0 to 3. TILELOADDT1 leaves the
// weights in L1, which serve all tokens; activations stream past them from L2.
template <int A>
void multiply(const Bf16Pair* a, std::int64_t a_next, const PanelTiles& w, const Chunk& chunk,
              Prefetch& next) noexcept {
  a += chunk.begin * kTileWords;
  for (std::int64_t k = chunk.begin; k < chunk.end; ++k, a += kTileWords) {
    const Bf16Pair* b = w.at(k);
    _tile_loadd(6, b, kPanelRowBytes);
    _tile_stream_loadd(4, a, kTileRowBytes);
    next.step();
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + kTileRows, kPanelRowBytes);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (A > 1) {
      _tile_stream_loadd(5, a + a_next, kTileRowBytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
}

template <int A>
void group(const Bf16Pair* a, std::int64_t a_next, const PanelTiles& w, const Chunk& chunk,
           bool fresh, Prefetch& next, float* sums) noexcept {
  if (fresh) {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (A > 1) _tile_zero(2);
    if constexpr (A > 1) _tile_zero(3);
  } else {
    _tile_loadd(0, sums, kTileRowBytes);
    _tile_loadd(1, sums + kTileWords, kTileRowBytes);
    if constexpr (A > 1) _tile_loadd(2, sums + 2 * kTileWords, kTileRowBytes);
    if constexpr (A > 1) _tile_loadd(3, sums + 3 * kTileWords, kTileRowBytes);
  }
  multiply<A>(a, a_next, w, chunk, next);
  _tile_stored(0, sums, kTileRowBytes);
  _tile_stored(1, sums + kTileWords, kTileRowBytes);
  if constexpr (A > 1) _tile_stored(2, sums + 2 * kTileWords, kTileRowBytes);
  if constexpr (A > 1) _tile_stored(3, sums + 3 * kTileWords, kTileRowBytes);
}

// Tiles of a chunk: alike and as few chunks as L1 allows.
std::int64_t chunk_tiles(std::int64_t tiles) noexcept {
  const std::int64_t chunks = (tiles + kChunkTiles - 1) / kChunkTiles;
  return (tiles + chunks - 1) / chunks;
}

// One panel against all tokens of a block. Tiles are configured for them all if their groups are
// alike.
void multiply_panel(const Block& block, const Bf16Pair* w, const Outputs& out,
                    bool configured) noexcept {
  alignas(64) float sums[kBlockTokens * kBf16PanelRows];
  const PanelTiles panel(w, block.pairs);
  const std::int64_t tiles = block.tiles();
  if (!out.first) take_sums(out, sums);
  const std::int64_t groups = (out.tokens + kGroupTokens - 1) / kGroupTokens;
  const std::int64_t step = chunk_tiles(tiles);
  for (std::int64_t k = 0; k < tiles; k += step) {
    const Chunk chunk{k, smaller(tiles, k + step)};
    const Bf16Pair* behind = chunk.end == tiles ? w + block.panel_words : panel.at(chunk.end);
    Prefetch next{reinterpret_cast<const char*>(behind),
                  (kPanelTileWords / kLanes + groups - 1) / groups};
    for (std::int64_t t = 0; t < out.tokens; t += kGroupTokens) {
      const std::int64_t n = smaller(out.tokens - t, kGroupTokens);
      if (!configured && (t == 0 || n < kGroupTokens)) configure(n);
      const Bf16Pair* a = block.x + t / kTileRows * tiles * kTileWords;
      const bool fresh = out.first && k == 0;
      if (chunk.end == tiles) prefetch_outputs(out, t, n);
      if (n > kTileRows) {
        group<2>(a, tiles * kTileWords, panel, chunk, fresh, next, sums_at(sums, t));
      } else {
        group<1>(a, 0, panel, chunk, fresh, next, sums_at(sums, t));
      }
    }
  }
  give_sums(out, sums);
}

// At most one tile of tokens against two panels: memory is the limit.
void multiply_two(const Block& block, const Bf16Pair* w, const Outputs& out) noexcept {
  alignas(64) float sums[4 * kTileWords];
  const PanelTiles one(w, block.pairs), two(w + block.panel_words, block.pairs);
  Outputs second = out;
  second.y += kBf16PanelRows;
  second.rows -= kBf16PanelRows;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const std::int64_t tiles = block.tiles();
  for (std::int64_t k = 0; k < tiles; ++k) {
    _tile_loadd(4, block.x + k * kTileWords, kTileRowBytes);
    const Bf16Pair* b = one.at(k);
    prefetch_behind(b);
    _tile_loadd(6, b, kPanelRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + kTileRows, kPanelRowBytes);
    _tile_dpbf16ps(1, 4, 7);
    b = two.at(k);
    prefetch_behind(b);
    _tile_loadd(6, b, kPanelRowBytes);
    _tile_dpbf16ps(2, 4, 6);
    _tile_loadd(7, b + kTileRows, kPanelRowBytes);
    _tile_dpbf16ps(3, 4, 7);
  }
  _tile_stored(0, sums, kTileRowBytes);
  _tile_stored(1, sums + kTileWords, kTileRowBytes);
  _tile_stored(2, sums + 2 * kTileWords, kTileRowBytes);
  _tile_stored(3, sums + 3 * kTileWords, kTileRowBytes);
  give_sums(out, sums);
  give_sums(second, sums + 2 * kTileWords);
}

void multiply_block(const Block& block, Outputs out) noexcept {
  const Bf16Pair* w = block.w;
  const std::int64_t first = smaller(out.tokens, kGroupTokens);
  const bool alike = out.tokens % first == 0;
  if (out.tokens <= kTileRows && out.first && out.last) {
    configure(out.tokens, out.tokens);
    for (; out.rows > kBf16PanelRows; out.rows -= 2 * kBf16PanelRows, w += 2 * block.panel_words) {
      multiply_two(block, w, out);
      out.y += 2 * kBf16PanelRows;
    }
  } else if (alike) {
    configure(first);
  }
  for (; out.rows > 0; out.rows -= kBf16PanelRows, w += block.panel_words) {
    multiply_panel(block, w, out, alike);
    out.y += kBf16PanelRows;
  }
}

// Blocks of columns alike and as few as fit, in tiles.
std::int64_t block_tiles(std::int64_t tiles, std::int64_t tokens) noexcept {
  const std::int64_t most = kBlockWords / (whole(tokens, kTileRows) * kTilePairs);
  const std::int64_t blocks = (tiles + most - 1) / most;
  return (tiles + blocks - 1) / blocks;
}

[[gnu::noinline]] void multiply_batch(const HalfMatrix& w, const float* x, std::int64_t x_stride,
                                      std::int64_t tokens, float* y, std::int64_t y_stride,
                                      std::int64_t begin, std::int64_t end) noexcept {
  alignas(64) Bf16Pair gathered[kBlockWords];
  const std::int64_t pairs = bf16_pairs(w.cols);
  const Bf16Pair* panels = static_cast<const Bf16Pair*>(w.packed) + begin * pairs;
  for (std::int64_t t = 0; t < tokens; t += kBlockTokens) {
    const std::int64_t count = smaller(tokens - t, kBlockTokens);
    const std::int64_t step = block_tiles(tiles_of(pairs), count) * kTilePairs;
    for (std::int64_t k = 0; k < pairs; k += step) {
      const std::int64_t n = smaller(pairs - k, step);
      gather(x + t * x_stride + 2 * k, x_stride, count, smaller(w.cols - 2 * k, 2 * n), gathered);
      multiply_block({panels + k * kBf16PanelRows, pairs * kBf16PanelRows, n, gathered},
                     {y + t * y_stride + begin, y_stride, end - begin, count, w.scale, k == 0,
                      k + n == pairs});
    }
  }
  _tile_release();
}

#include "kernels/half/amxbf16_token.inl"

// Denormals are zeros for AVX-512, as they are for AMX, while one of these lives. What it is for is
// not inlined: to the compiler, arithmetic does not depend on modes.
class DenormalsAreZeros {
 public:
  DenormalsAreZeros() noexcept : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | kBoth); }
  ~DenormalsAreZeros() { _mm_setcsr(saved_); }
  DenormalsAreZeros(const DenormalsAreZeros&) = delete;
  DenormalsAreZeros& operator=(const DenormalsAreZeros&) = delete;

 private:
  static constexpr unsigned kBoth = 0x8040;  // FTZ and DAZ (Intel SDM volume 1, section 10.2.3)
  unsigned saved_;
};

void gemv(const HalfMatrix& w, const float* x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  if (w.type != HalfType::kBf16) return avx512::kHalf.gemv(w, x, y, begin, end);
  const DenormalsAreZeros mode;
  multiply_one(w, x, y, begin, end);
}

void gemm(const HalfMatrix& w, const float* x, std::int64_t x_stride, std::int64_t tokens, float* y,
          std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  if (w.type != HalfType::kBf16) {
    return avx512::kHalf.gemm(w, x, x_stride, tokens, y, y_stride, begin, end);
  }
  const DenormalsAreZeros mode;
  if (tokens == 1) return multiply_one(w, x, y, begin, end);
  multiply_batch(w, x, x_stride, tokens, y, y_stride, begin, end);
}

std::int64_t peak(std::int64_t rounds) noexcept { return avx512::kHalf.peak(rounds); }

// Sums stay below 2^24, where every count is a binary32: 2^19 rounds add 2^5 each.
std::int64_t peak_bf16(std::int64_t rounds) noexcept {
  alignas(64) Bf16Pair ones[kTileWords];
  alignas(64) float sums[4 * kTileWords];
  for (Bf16Pair& pair : ones) pair = 0x3f803f80;
  configure(kGroupTokens);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, ones, kTileRowBytes);
  _tile_loadd(5, ones, kTileRowBytes);
  _tile_loadd(6, ones, kTileRowBytes);
  _tile_loadd(7, ones, kTileRowBytes);
  for (std::int64_t round = 0; round < rounds; ++round) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sums, kTileRowBytes);
  _tile_stored(1, sums + kTileWords, kTileRowBytes);
  _tile_stored(2, sums + 2 * kTileWords, kTileRowBytes);
  _tile_stored(3, sums + 3 * kTileWords, kTileRowBytes);
  _tile_release();
  std::int64_t done = 0;
  for (const float sum : sums) done += static_cast<std::int64_t>(sum);
  return done;
}

}  // namespace

constinit const HalfKernels kHalf = {kBf16RowBlock,
                                     false,
                                     scalar::bf16_packed_bytes,
                                     scalar::bf16_pack,
                                     scalar::bf16_unpack_row,
                                     gemv,
                                     gemm,
                                     peak,
                                     peak_bf16};

}  // namespace tern::kernels::amxbf16
