// TDPBSUD: a tile of 16 tokens x 64 columns of signed activations times a tile of 64 columns x 16
// rows of unsigned codes, into 16 x 16 sums. A line of the layout, unpacked, is four rows of the
// second tile as they are: 16 matrix rows x 4 columns. Decoding reads each weight once and borrows
// the vector kernel. Everything here has internal linkage or is an intrinsic (see check.h).

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands in its own header for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "kernels/ternary/layout.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::amx {
namespace {

// Tiles: 16 rows of 64 bytes (Intel SDM volume 1, chapter 18).
constexpr std::int64_t kTileRows = 16;
constexpr std::int64_t kTileCols = 64;
constexpr std::int64_t kTileBytes = kTileRows * kTileCols;
constexpr std::int64_t kTileLines = kTileCols / kTernaryLineCols;

// Four tiles of sums, from two tiles of tokens and two of rows: two loads a product hardly keep up
// with the multiplier, and with one of each there would be four.
constexpr std::int64_t kGroupTokens = 2 * kTileRows;
constexpr std::int64_t kPairRows = 2 * kTernaryRowBlock;

// Codes of two row blocks and this many columns are unpacked once for all tokens of a block: 32 KiB
// of codes, most of L1, and 512 KiB of activations, part of L2.
constexpr std::int64_t kChunkCols = 1024;
constexpr std::int64_t kChunkTiles = kChunkCols / kTileCols;
constexpr std::int64_t kBlockTokens = 512;

// Fewer tokens leave so much of a tile empty that the vector kernel is faster.
constexpr std::int64_t kFewTokens = 16;

// Operand of LDTILECFG, palette 1.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// Tiles 0 to 3 are sums (two of tokens x two of rows), 4 and 5 activations, 6 and 7 codes.
void configure(std::int64_t tokens) noexcept {
  TileConfig config;
  const std::int64_t first = tokens < kTileRows ? tokens : kTileRows;
  const std::int64_t second = tokens - first;
  const std::int64_t rows[8] = {first, first, second, second, first, second, kTileRows, kTileRows};
  for (int i = 0; i < 8; ++i) {
    config.rows[i] = static_cast<std::uint8_t>(rows[i]);
    config.row_bytes[i] = rows[i] > 0 ? std::uint16_t{kTileCols} : std::uint16_t{0};
  }
  _tile_loadconfig(&config);
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

// Lines of one row block to tiles of codes, each followed by a gap for the other block's. Behind
// the last line the codes are 0. The same lines of a row block so many bytes further come next:
// they are asked for now.
void expand(const std::uint8_t* packed, std::int64_t lines, std::int64_t ahead,
            std::uint8_t* out) noexcept {
  const __m512i mask = _mm512_set1_epi8(0x03);
  const std::int64_t whole = (lines + kTileLines - 1) / kTileLines * kTileLines;
  for (std::int64_t line = 0; line < whole; ++line) {
    const std::uint8_t* p = packed + line * kTernaryLineBytes;
    std::uint8_t* to = out + line / kTileLines * 2 * kTileBytes + line % kTileLines * 4 * kTileCols;
    _mm_prefetch(reinterpret_cast<const char*>(p + ahead), _MM_HINT_T1);
    const __m512i v = line < lines ? _mm512_load_si512(p) : _mm512_setzero_si512();
    _mm512_store_si512(to, _mm512_and_si512(v, mask));
    _mm512_store_si512(to + 64, _mm512_and_si512(_mm512_srli_epi16(v, 2), mask));
    _mm512_store_si512(to + 128, _mm512_and_si512(_mm512_srli_epi16(v, 4), mask));
    _mm512_store_si512(to + 192, _mm512_and_si512(_mm512_srli_epi16(v, 6), mask));
  }
}

// Sums of A tiles of tokens and B row blocks over `tiles` tiles of columns: read from `from` unless
// it is null, written to `to`; both int32 in rows of so many bytes.
template <int A, int B>
void multiply(const std::int8_t* a, const std::uint8_t* b, std::int64_t tiles, const void* from,
              std::int64_t from_stride, void* to, std::int64_t to_stride) noexcept {
  const auto* in = static_cast<const char*>(from);
  auto* out = static_cast<char*>(to);
  const std::int64_t a_next = tiles * kTileBytes;  // the next 16 tokens
  if (in == nullptr) {
    _tile_zero(0);
    if constexpr (B > 1) _tile_zero(1);
    if constexpr (A > 1) _tile_zero(2);
    if constexpr (A > 1 && B > 1) _tile_zero(3);
  } else {
    _tile_loadd(0, in, from_stride);
    if constexpr (B > 1) _tile_loadd(1, in + 64, from_stride);
    if constexpr (A > 1) _tile_loadd(2, in + 16 * from_stride, from_stride);
    if constexpr (A > 1 && B > 1) _tile_loadd(3, in + 16 * from_stride + 64, from_stride);
  }
  for (std::int64_t k = 0; k < tiles; ++k, a += kTileBytes, b += 2 * kTileBytes) {
    _tile_loadd(6, b, kTileCols);
    _tile_loadd(4, a, kTileCols);
    _tile_dpbsud(0, 4, 6);
    if constexpr (B > 1) {
      _tile_loadd(7, b + kTileBytes, kTileCols);
      _tile_dpbsud(1, 4, 7);
    }
    if constexpr (A > 1) {
      _tile_loadd(5, a + a_next, kTileCols);
      _tile_dpbsud(2, 5, 6);
      if constexpr (B > 1) _tile_dpbsud(3, 5, 7);
    }
  }
  _tile_stored(0, out, to_stride);
  if constexpr (B > 1) _tile_stored(1, out + 64, to_stride);
  if constexpr (A > 1) _tile_stored(2, out + 16 * to_stride, to_stride);
  if constexpr (A > 1 && B > 1) _tile_stored(3, out + 16 * to_stride + 64, to_stride);
}

// Where the sums of a group of tokens go: partial ones lie as int32 in y.
struct Outputs {
  const std::int32_t* sums;
  const float* scales;
  float* y;  // of the first token, at the first row
  std::int64_t y_stride;
  std::int64_t tokens;
  bool first;  // no partial sums in y yet
  bool last;   // y becomes the result
};

template <int B>
void finish(const std::int32_t* c, const Outputs& out) noexcept {
  for (std::int64_t t = 0; t < out.tokens; ++t) {
    const __m512i sum = _mm512_set1_epi32(out.sums[t]);
    const __m512 scale = _mm512_set1_ps(out.scales[t]);
    for (int b = 0; b < B; ++b) {
      const __m512i dot = _mm512_load_si512(c + t * kPairRows + b * kTernaryRowBlock);
      _mm512_storeu_ps(out.y + t * out.y_stride + b * kTernaryRowBlock,
                       _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(dot, sum)), scale));
    }
  }
}

template <int A, int B>
void group(const std::int8_t* a, const std::uint8_t* b, std::int64_t tiles,
           const Outputs& out) noexcept {
  alignas(64) std::int32_t c[kGroupTokens * kPairRows];
  const std::int64_t y_bytes = out.y_stride * std::int64_t{sizeof(float)};
  const void* from = out.first ? nullptr : out.y;
  if (out.last) {
    multiply<A, B>(a, b, tiles, from, y_bytes, c, kPairRows * std::int64_t{sizeof(std::int32_t)});
    finish<B>(c, out);
  } else {
    multiply<A, B>(a, b, tiles, from, y_bytes, out.y, y_bytes);
  }
}

// All tokens of a block against B row blocks whose codes are unpacked.
template <int B>
void groups(const std::int8_t* a, const std::uint8_t* b, std::int64_t tiles, const Outputs& block,
            bool configured) noexcept {
  Outputs out = block;
  const std::int64_t rest = block.tokens % kGroupTokens;
  out.tokens = kGroupTokens;
  if (!configured && block.tokens > rest) configure(kGroupTokens);
  std::int64_t t = 0;
  const auto here = [&] {
    out.sums = block.sums + t;
    out.scales = block.scales + t;
    out.y = block.y + t * block.y_stride;
    return a + t / kTileRows * tiles * kTileBytes;
  };
  for (; t + kGroupTokens <= block.tokens; t += kGroupTokens) group<2, B>(here(), b, tiles, out);
  if (rest == 0) return;
  out.tokens = rest;
  if (!configured) configure(rest);
  if (rest > kTileRows) {
    group<2, B>(here(), b, tiles, out);
  } else {
    group<1, B>(here(), b, tiles, out);
  }
}

// At most kBlockTokens tokens, the first of them t0, against rows [begin, end), whole row blocks.
void gemm_block(const TernaryMatrix& w, const QuantizedBatch& x, std::int64_t t0,
                std::int64_t tokens, float* y, std::int64_t y_stride, std::int64_t begin,
                std::int64_t end) noexcept {
  alignas(64) std::int8_t a[kBlockTokens * kChunkCols];
  alignas(64) std::uint8_t b[kPairRows * kChunkCols];
  const std::int64_t lines = ternary_lines(w.cols);
  const std::int64_t block_bytes = lines * kTernaryLineBytes;
  constexpr std::int64_t kChunkLines = kChunkTiles * kTileLines;
  // One configuration serves all groups where they are all alike.
  const bool alike = tokens % kGroupTokens == 0 || tokens < kGroupTokens;
  if (alike) configure(tokens < kGroupTokens ? tokens : kGroupTokens);
  for (std::int64_t line = 0; line < lines; line += kChunkLines) {
    const std::int64_t count = lines - line < kChunkLines ? lines - line : kChunkLines;
    const std::int64_t tiles = (count + kTileLines - 1) / kTileLines;
    gather(x.q + t0 * x.stride + line * kTernaryLineCols, x.stride, tokens, tiles, a);
    Outputs out{x.sums + t0, x.scales + t0,        nullptr, y_stride, tokens,
                line == 0,   line + count == lines};
    for (std::int64_t row = begin; row < end; row += kPairRows) {
      const std::uint8_t* packed =
          w.packed + row / kTernaryRowBlock * block_bytes + line * kTernaryLineBytes;
      out.y = y + t0 * y_stride + row;
      expand(packed, count, 2 * block_bytes, b);
      if (end - row > kTernaryRowBlock) {
        expand(packed + block_bytes, count, 2 * block_bytes, b + kTileBytes);
        groups<2>(a, b, tiles, out, alike);
      } else {
        groups<1>(a, b, tiles, out, alike);
      }
    }
  }
}

void gemm(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t y_stride,
          std::int64_t begin, std::int64_t end) noexcept {
  const std::int64_t whole = begin + (end - begin) / kTernaryRowBlock * kTernaryRowBlock;
  if (x.tokens < kFewTokens || whole == begin) {
    avx512vnni::kTernary.gemm(w, x, y, y_stride, begin, end);
    return;
  }
  for (std::int64_t t = 0; t < x.tokens; t += kBlockTokens) {
    const std::int64_t left = x.tokens - t;
    gemm_block(w, x, t, left < kBlockTokens ? left : kBlockTokens, y, y_stride, begin, whole);
  }
  _tile_release();
  // A tile would write past the last rows.
  if (whole < end) avx512vnni::kTernary.gemm(w, x, y, y_stride, whole, end);
}

void gemv(const TernaryMatrix& w, const QuantizedBatch& x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  avx512vnni::kTernary.gemv(w, x, y, begin, end);
}

std::int64_t peak(std::int64_t rounds) noexcept {
  alignas(64) std::uint8_t ones[kTileBytes];
  alignas(64) std::int32_t c[4][kTileRows * kTileRows];
  std::memset(ones, 1, sizeof ones);
  configure(kGroupTokens);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, ones, kTileCols);
  _tile_loadd(5, ones, kTileCols);
  _tile_loadd(6, ones, kTileCols);
  _tile_loadd(7, ones, kTileCols);
  for (std::int64_t round = 0; round < rounds; ++round) {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
  }
  _tile_stored(0, c[0], kTileCols);
  _tile_stored(1, c[1], kTileCols);
  _tile_stored(2, c[2], kTileCols);
  _tile_stored(3, c[3], kTileCols);
  _tile_release();
  std::int64_t done = 0;
  for (const auto& tile : c) {
    for (const std::int32_t sum : tile) done += sum;
  }
  return done;
}

}  // namespace

constinit const TernaryKernels kTernary = {kTernaryRowBlock,
                                           scalar::ternary_packed_bytes,
                                           scalar::ternary_pack,
                                           scalar::ternary_unpack_row,
                                           gemv,
                                           gemm,
                                           peak};

}  // namespace tern::kernels::amx
