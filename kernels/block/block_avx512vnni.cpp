// VPDPBUSD on words: 16 rows x 4 columns of unsigned codes against four signed activations
// broadcast to every lane. The sums start at minus offset * sum(q), so that codes need no
// correction. Everything here has internal linkage or is an intrinsic (see check.h).

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands in its own header for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "kernels/block/layout.h"
#include "kernels/simd/reading.h"

namespace tern::kernels::avx512vnni {
namespace {

// gemm works on this many blocks of columns at a time: the codes of a row block (16 KiB as bytes)
// and a tile of activations (12 KiB) stay in L1 while kTiles of them, in L2, take turns.
constexpr std::int64_t kChunkBlocks = 32;
constexpr int kTiles = 8;

// Tokens of a tile: a chain and an integer sum of each and, for Q6_K, the sum of the first half fit
// into 32 registers.
constexpr int kMostTokens = 12;

// acc += codes * q. Written as one instruction with its accumulator in place: g++ 12 copies and
// spills the accumulators of the intrinsic.
void dot(__m512i& acc, __m512i codes, __m512i q) noexcept {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(codes), "v"(q));
}

// The same with the four activations at q, which the instruction broadcasts.
void dot_broadcast(__m512i& acc, __m512i codes, const std::int8_t* q) noexcept {
  using Word = std::int32_t __attribute__((may_alias));
  asm("vpdpbusd %2%{1to16%}, %1, %0"
      : "+v"(acc)
      : "v"(codes), "m"(*reinterpret_cast<const Word*>(q)));
}

__m512i broadcast4(const std::int8_t* q) noexcept {
  std::int32_t word;
  std::memcpy(&word, q, sizeof word);
  return _mm512_set1_epi32(word);
}

__m512 load_f16(const std::uint8_t* p) noexcept {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

__m512 load_int8(const std::uint8_t* p) noexcept {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}

template <int Shift>
__m512i low_nibbles(__m512i v) noexcept {
  return _mm512_and_si512(Shift == 0 ? v : _mm512_srli_epi16(v, Shift), _mm512_set1_epi8(0x0f));
}

// Each type: codes of one block as 8 words, and how its sums become a float. kParts sums of equally
// many words; kOffsetShift: log2 of the offset of codes; kTokens: of a tile of gemm.
struct Q8 {
  static constexpr BlockType kType = BlockType::kQ8_0;
  static constexpr int kParts = 1;
  static constexpr int kOffsetShift = 7;
  static constexpr int kTokens = 12;
  static void codes(const std::uint8_t* lines, __m512i* words) noexcept {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) words[i] = _mm512_load_si512(lines + i * kBlockLine);
  }
};

struct Q4 {
  static constexpr BlockType kType = BlockType::kQ4_0;
  static constexpr int kParts = 1;
  static constexpr int kOffsetShift = 3;
  static constexpr int kTokens = 12;
  static void codes(const std::uint8_t* lines, __m512i* words) noexcept {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512i v = _mm512_load_si512(lines + i * kBlockLine);
      words[i] = low_nibbles<0>(v);
      words[i + 4] = low_nibbles<4>(v);
    }
  }
};

struct Q6 {
  static constexpr BlockType kType = BlockType::kQ6_K;
  static constexpr int kParts = 2;
  static constexpr int kOffsetShift = 5;
  static constexpr int kTokens = 8;
  static void codes(const std::uint8_t* lines, __m512i* words) noexcept {
    Q4::codes(lines, words);
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      const __m512i v = _mm512_load_si512(lines + (4 + h) * kBlockLine);
      const __m512i at_4[4] = {_mm512_slli_epi16(v, 4), _mm512_slli_epi16(v, 2), v,
                               _mm512_srli_epi16(v, 2)};
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        words[4 * h + j] =
            _mm512_or_si512(words[4 * h + j], _mm512_and_si512(at_4[j], _mm512_set1_epi8(0x30)));
      }
    }
  }
};

// Scales of 16 rows in one block.
template <class Type>
struct Scales {
  __m512 sub[Type::kParts];  // of Q6_K; else unused
  __m512 d;
};

// Where those of block b are in a run of scales (Q6_K's d lies behind those of the super-block).
template <class Type>
std::int64_t scales_of(std::int64_t b) noexcept {
  if constexpr (Type::kParts == 2) {
    return b / kSuperBlocks * kSuperScaleBytes + b % kSuperBlocks * kScaleBytes;
  } else {
    return b * kScaleBytes;
  }
}

template <class Type>
Scales<Type> load_scales(const std::uint8_t* scales, std::int64_t b) noexcept {
  Scales<Type> s;
  if constexpr (Type::kParts == 2) {
    const std::uint8_t* at = scales + b / kSuperBlocks * kSuperScaleBytes;
    const std::uint8_t* sub = at + b % kSuperBlocks * kScaleBytes;
    s.sub[0] = load_int8(sub);
    s.sub[1] = load_int8(sub + kBlockRows);
    s.d = load_f16(at + kSuperBlocks * kScaleBytes);
  } else {
    s.sub[0] = _mm512_setzero_ps();
    s.d = load_f16(scales + b * kScaleBytes);
  }
  return s;
}

__mmask16 first_lanes(std::int64_t rows) noexcept {
  return static_cast<__mmask16>(rows >= kBlockRows ? 0xffffu : (1u << rows) - 1u);
}

// ---- one token
// --------------------------------------------------------------------------------------

// Rows [row, row + 16 B), of which `end` may cut off the last.
template <class Type, class Reading, int B>
void gemv_row_blocks(const BlockMatrix& w, const BlockBatch& x, float* y, std::int64_t row,
                     std::int64_t end) noexcept {
  constexpr std::int64_t kCodeBytes = block_code_bytes(Type::kType);
  const std::int64_t row_block_bytes = block_row_block_bytes(Type::kType, w.cols);
  const std::int64_t scales_at = block_scales_at(Type::kType, w.cols);
  const std::uint8_t* packed = w.packed + row / kBlockRows * row_block_bytes;
  __m512 acc[B];
#pragma GCC unroll 4
  for (int s = 0; s < B; ++s) acc[s] = _mm512_setzero_ps();
  for (std::int64_t b = 0; b < w.cols / kQuantBlock; ++b) {
    const std::int8_t* q = x.q + b * kQuantBlock;
    __m512i words[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) words[i] = broadcast4(q + 4 * i);
    const std::int32_t sums[2] = {x.sums[2 * b], x.sums[2 * b + 1]};
    const std::int32_t starts[2] = {
        -(Type::kParts == 2 ? sums[0] : sums[0] + sums[1]) * (1 << Type::kOffsetShift),
        -sums[1] * (1 << Type::kOffsetShift)};
    const __m512 a = _mm512_set1_ps(x.scales[b]);
    // Behind the codes of its row block a stream goes on with the codes B row blocks later.
    const bool turns = b * kCodeBytes + Reading::kAheadBytes >= scales_at;
    const std::int64_t ahead = Reading::kAheadBytes + (turns ? B * row_block_bytes - scales_at : 0);
#pragma GCC unroll 4
    for (int s = 0; s < B; ++s) {
      const std::uint8_t* row_block = packed + s * row_block_bytes;
      const std::uint8_t* lines = row_block + b * kCodeBytes;
#pragma GCC unroll 8
      for (int i = 0; i < kCodeBytes; i += kBlockLine) {
        __builtin_prefetch(lines + ahead + i, 0, Reading::kLocality);
      }
      // A run of scales is too short for the hardware to notice.
      __builtin_prefetch(row_block + B * row_block_bytes + scales_at + scales_of<Type>(b), 0, 2);
      __m512i codes[8];
      Type::codes(lines, codes);
      __m512i part[Type::kParts];
#pragma GCC unroll 2
      for (int p = 0; p < Type::kParts; ++p) part[p] = _mm512_set1_epi32(starts[p]);
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) dot(part[i * Type::kParts / 8], codes[i], words[i]);
      const Scales<Type> scales = load_scales<Type>(row_block + scales_at, b);
      __m512 isum = _mm512_cvtepi32_ps(part[0]);
      if constexpr (Type::kParts == 2) {  // exact, see block.h
        isum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(part[1]), scales.sub[1],
                               _mm512_mul_ps(isum, scales.sub[0]));
      }
      acc[s] = _mm512_fmadd_ps(isum, _mm512_mul_ps(scales.d, a), acc[s]);
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < B; ++s, row += kBlockRows) {
    _mm512_mask_storeu_ps(y + row, first_lanes(end - row),
                          _mm512_mul_ps(acc[s], _mm512_set1_ps(w.scale)));
  }
}

template <class Type, class Reading>
void gemv_of(const BlockMatrix& w, const BlockBatch& x, float* y, std::int64_t begin,
             std::int64_t end) noexcept {
  std::int64_t row = begin;
  constexpr int kStreams = Reading::kStreams;
  for (; end - row > (kStreams - 1) * kBlockRows; row += kStreams * kBlockRows) {
    gemv_row_blocks<Type, Reading, kStreams>(w, x, y, row, end);
  }
  for (; row < end; row += kBlockRows) gemv_row_blocks<Type, Reading, 1>(w, x, y, row, end);
}

template <class Reading>
void gemv(const BlockMatrix& w, const BlockBatch& x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  switch (w.type) {
    case BlockType::kQ8_0:
      return gemv_of<Q8, Reading>(w, x, y, begin, end);
    case BlockType::kQ4_0:
      return gemv_of<Q4, Reading>(w, x, y, begin, end);
    case BlockType::kQ6_K:
      return gemv_of<Q6, Reading>(w, x, y, begin, end);
  }
}

// ---- many tokens
// ------------------------------------------------------------------------------------

// A tile of activations in a chunk of columns, block after block: 8 words of each token, what the
// sums start from, the scales. Missing tokens repeat the last one.
struct alignas(64) Tile {
  std::int8_t words[kChunkBlocks * 8 * kMostTokens * 4];  // (blocks, 8, T) words
  std::int32_t starts[kChunkBlocks * 2 * kMostTokens];    // (blocks, parts, T)
  float scales[kChunkBlocks * kMostTokens];               // (blocks, T)
};

// Weights of one row block in a chunk of columns. Q8_0's codes stay where they are.
struct alignas(64) Expanded {
  std::uint8_t codes[kChunkBlocks * 8 * kBlockLine];
  float d[kChunkBlocks * kBlockRows];
  float sub[kChunkBlocks * 2 * kBlockRows];  // of Q6_K
};

// 16 activations of four tokens: word i of token t goes to out[i * words_stride + t].
void transpose_words(const __m128i (&r)[4], std::int8_t* out, std::int64_t stride) noexcept {
  const __m128i low01 = _mm_unpacklo_epi32(r[0], r[1]);
  const __m128i high01 = _mm_unpackhi_epi32(r[0], r[1]);
  const __m128i low23 = _mm_unpacklo_epi32(r[2], r[3]);
  const __m128i high23 = _mm_unpackhi_epi32(r[2], r[3]);
  auto* to = reinterpret_cast<__m128i*>(out);
  _mm_store_si128(to, _mm_unpacklo_epi64(low01, low23));
  _mm_store_si128(to + stride, _mm_unpackhi_epi64(low01, low23));
  _mm_store_si128(to + 2 * stride, _mm_unpacklo_epi64(high01, high23));
  _mm_store_si128(to + 3 * stride, _mm_unpackhi_epi64(high01, high23));
}

// Tokens [t0, t0 + T) of x, blocks [b0, b0 + blocks).
template <class Type, int T>
void gather(const BlockBatch& x, std::int64_t t0, std::int64_t b0, std::int64_t blocks,
            Tile* tile) noexcept {
  const auto token = [&](int t) { return t0 + t < x.tokens ? t0 + t : x.tokens - 1; };
  for (int t = 0; t < T; t += 4) {
    const std::int8_t* rows[4];
    for (int i = 0; i < 4; ++i) rows[i] = x.q + token(t + i) * x.stride + b0 * kQuantBlock;
    std::int8_t* out = tile->words + 4 * t;
    for (std::int64_t k = 0; k < blocks * kQuantBlock; k += 16, out += 16 * T) {
      __m128i r[4];
      for (int i = 0; i < 4; ++i) {
        r[i] = _mm_load_si128(reinterpret_cast<const __m128i*>(rows[i] + k));
      }
      transpose_words(r, out, T / 4);
    }
  }
  for (int t = 0; t < T; ++t) {
    const std::int32_t* sums = x.sums + token(t) * (x.stride / 16) + 2 * b0;
    const float* scales = x.scales + token(t) * (x.stride / kQuantBlock) + b0;
    for (std::int64_t b = 0; b < blocks; ++b) {
      tile->scales[b * T + t] = scales[b];
      std::int32_t* starts = tile->starts + b * Type::kParts * T + t;
      if constexpr (Type::kParts == 2) {
        starts[0] = -sums[2 * b] * (1 << Type::kOffsetShift);
        starts[T] = -sums[2 * b + 1] * (1 << Type::kOffsetShift);
      } else {
        starts[0] = -(sums[2 * b] + sums[2 * b + 1]) * (1 << Type::kOffsetShift);
      }
    }
  }
}

// Returns where the codes lie.
template <class Type>
const std::uint8_t* expand(const std::uint8_t* row_block, std::int64_t cols, std::int64_t b0,
                           std::int64_t blocks, Expanded* out) noexcept {
  const std::uint8_t* lines = row_block + b0 * block_code_bytes(Type::kType);
  const std::uint8_t* all_scales = row_block + block_scales_at(Type::kType, cols);
  for (std::int64_t b = 0; b < blocks; ++b) {
    const Scales<Type> scales = load_scales<Type>(all_scales, b0 + b);
    _mm512_store_ps(out->d + b * kBlockRows, scales.d);
    if constexpr (Type::kParts == 2) {
      _mm512_store_ps(out->sub + 2 * b * kBlockRows, scales.sub[0]);
      _mm512_store_ps(out->sub + (2 * b + 1) * kBlockRows, scales.sub[1]);
    }
    if constexpr (Type::kType != BlockType::kQ8_0) {
      __m512i words[8];
      Type::codes(lines + b * block_code_bytes(Type::kType), words);
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i)
        _mm512_store_si512(out->codes + (8 * b + i) * kBlockLine, words[i]);
    }
  }
  return Type::kType == BlockType::kQ8_0 ? lines : out->codes;
}

struct Outputs {
  float* y;  // of the first token, at the first row of the block
  std::int64_t y_stride;
  std::int64_t rows;    // that exist from there on
  std::int64_t tokens;  // likewise
  float scale;
  bool first;  // no partial chains in y yet
  bool last;   // y becomes the result
};

// Eight words of one block, or four, for T tokens: T chains of sums from their starts on, enough to
// hide the latency of the instruction.
template <int T, int Words>
void dot_words(const std::uint8_t* codes, const std::int8_t* words, const std::int32_t* starts,
               __m512i* sums) noexcept {
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) sums[t] = _mm512_set1_epi32(starts[t]);
#pragma GCC unroll 8
  for (int i = 0; i < Words; ++i) {
    const __m512i line = _mm512_load_si512(codes + i * kBlockLine);
#pragma GCC unroll 12
    for (int t = 0; t < T; ++t) dot_broadcast(sums[t], line, words + 4 * (i * T + t));
  }
}

// Block b of a chunk for T tokens, added to their chains.
template <class Type, int T>
void add_block(const std::uint8_t* codes, const Expanded& w, std::int64_t b, const Tile& x,
               __m512* acc) noexcept {
  constexpr int kWords = 8 / Type::kParts;
  codes += b * 8 * kBlockLine;
  const std::int8_t* words = x.words + b * 8 * T * 4;
  const std::int32_t* starts = x.starts + b * Type::kParts * T;
  __m512i sums[T];
  __m512 isum[T];
  dot_words<T, kWords>(codes, words, starts, sums);
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) isum[t] = _mm512_cvtepi32_ps(sums[t]);
  if constexpr (Type::kParts == 2) {  // exact, see block.h
    dot_words<T, kWords>(codes + 4 * kBlockLine, words + 4 * 4 * T, starts + T, sums);
    const __m512 sub0 = _mm512_load_ps(w.sub + 2 * b * kBlockRows);
    const __m512 sub1 = _mm512_load_ps(w.sub + (2 * b + 1) * kBlockRows);
#pragma GCC unroll 12
    for (int t = 0; t < T; ++t) {
      isum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[t]), sub1, _mm512_mul_ps(isum[t], sub0));
    }
  }
  const __m512 d = _mm512_load_ps(w.d + b * kBlockRows);
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
    const __m512 scale = _mm512_mul_ps(d, _mm512_set1_ps(x.scales[b * T + t]));
    acc[t] = _mm512_fmadd_ps(isum[t], scale, acc[t]);
  }
}

// One row block against T tokens in a chunk of columns.
template <class Type, int T>
void tile_of(const std::uint8_t* codes, const Expanded& w, std::int64_t blocks, const Tile& x,
             const Outputs& out) noexcept {
  const __mmask16 lanes = first_lanes(out.rows);
  __m512 acc[T];
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
    const bool load = !out.first && t < out.tokens;
    acc[t] = load ? _mm512_maskz_loadu_ps(lanes, out.y + t * out.y_stride) : _mm512_setzero_ps();
  }
  for (std::int64_t b = 0; b < blocks; ++b) add_block<Type, T>(codes, w, b, x, acc);
  const __m512 scale = _mm512_set1_ps(out.scale);
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
    if (t >= out.tokens) break;
    _mm512_mask_storeu_ps(out.y + t * out.y_stride, lanes,
                          out.last ? _mm512_mul_ps(acc[t], scale) : acc[t]);
  }
}

// Calls f.operator()<T>() with the smallest tile that holds `tokens`, or the largest.
template <class Type, class F>
void for_tile(std::int64_t tokens, F&& f) noexcept {
  if (tokens > 8) return f.template operator()<Type::kTokens>();
  if (tokens > 4) return f.template operator()<8>();
  f.template operator()<4>();
}

// The outputs of the next tile of tokens: they lie a row apart, where no prefetcher looks, and that
// tile begins by reading them.
template <class Type>
void prefetch_outputs(const float* y, std::int64_t y_stride, std::int64_t tokens) noexcept {
  for (std::int64_t t = Type::kTokens; t < 2 * Type::kTokens && t < tokens; ++t) {
    _mm_prefetch(reinterpret_cast<const char*>(y + t * y_stride), _MM_HINT_T0);
  }
}

// Tokens [t0, t0 + tokens), at most kTiles tiles of them, against rows [begin, end).
template <class Type>
void gemm_tokens(const BlockMatrix& w, const BlockBatch& x, std::int64_t t0, std::int64_t tokens,
                 float* y, std::int64_t y_stride, std::int64_t begin, std::int64_t end) noexcept {
  Tile tiles[kTiles];
  Expanded expanded;
  const std::int64_t row_block_bytes = block_row_block_bytes(Type::kType, w.cols);
  const std::int64_t all = w.cols / kQuantBlock;
  for (std::int64_t b0 = 0; b0 < all; b0 += kChunkBlocks) {
    const std::int64_t blocks = all - b0 < kChunkBlocks ? all - b0 : kChunkBlocks;
    for (std::int64_t t = 0; t < tokens; t += Type::kTokens) {
      for_tile<Type>(tokens - t, [&]<int T>() {
        gather<Type, T>(x, t0 + t, b0, blocks, &tiles[t / Type::kTokens]);
      });
    }
    for (std::int64_t row = begin; row < end; row += kBlockRows) {
      const std::uint8_t* codes = expand<Type>(w.packed + row / kBlockRows * row_block_bytes,
                                               w.cols, b0, blocks, &expanded);
      for (std::int64_t t = 0; t < tokens; t += Type::kTokens) {
        const Outputs out{y + (t0 + t) * y_stride + row,
                          y_stride,
                          end - row,
                          tokens - t,
                          w.scale,
                          b0 == 0,
                          b0 + blocks == all};
        prefetch_outputs<Type>(out.y, y_stride, out.tokens);
        for_tile<Type>(tokens - t, [&]<int T>() {
          tile_of<Type, T>(codes, expanded, blocks, tiles[t / Type::kTokens], out);
        });
      }
    }
  }
}

template <class Type>
void gemm_of(const BlockMatrix& w, const BlockBatch& x, float* y, std::int64_t y_stride,
             std::int64_t begin, std::int64_t end) noexcept {
  constexpr std::int64_t kTokens = kTiles * Type::kTokens;
  for (std::int64_t t = 0; t < x.tokens; t += kTokens) {
    const std::int64_t tokens = x.tokens - t < kTokens ? x.tokens - t : kTokens;
    gemm_tokens<Type>(w, x, t, tokens, y, y_stride, begin, end);
  }
}

void gemm(const BlockMatrix& w, const BlockBatch& x, float* y, std::int64_t y_stride,
          std::int64_t begin, std::int64_t end) noexcept {
  switch (w.type) {
    case BlockType::kQ8_0:
      return gemm_of<Q8>(w, x, y, y_stride, begin, end);
    case BlockType::kQ4_0:
      return gemm_of<Q4>(w, x, y, y_stride, begin, end);
    case BlockType::kQ6_K:
      return gemm_of<Q6>(w, x, y, y_stride, begin, end);
  }
}

template <class Reading>
constexpr BlockKernels kKernels = {kBlockRows,         scalar::block_packed_bytes,
                                   scalar::block_pack, scalar::block_unpack_row,
                                   gemv<Reading>,      gemm};

}  // namespace

constinit const BlockKernels kBlock = kKernels<SideBySide>;
constinit const BlockKernels kBlockInTwos = kKernels<InTwos>;

}  // namespace tern::kernels::avx512vnni
