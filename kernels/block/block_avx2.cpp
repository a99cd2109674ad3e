// VPMADDUBSW on words: 8 rows x 4 columns of codes against four signed activations broadcast to
// every lane. Its pairs must fit int16: Q8_0 multiplies |w| by q with the sign of w (128 * 127 * 2
// = 32512), Q4_0 and Q6_K the unsigned codes, two words at a time (63 * 127 * 4 = 32004), and take
// offset * sum(q) away. Everything here has internal linkage or is an intrinsic (see check.h).

#include <immintrin.h>

#include <cstring>

#include "kernels/block/layout.h"

namespace tern::kernels::avx2 {
namespace {

// How far ahead gemv asks for weights, as the ternary gemv.
constexpr std::int64_t kPrefetchBytes = 8192;

// Activations of one group of tokens stay in L2 while all row blocks pass over them.
constexpr std::int64_t kGroupBytes = 128 * 1024;
constexpr int kMaxTile = 4;

__m256i broadcast4(const std::int8_t* q) noexcept {
  std::int32_t word;
  std::memcpy(&word, q, sizeof word);
  return _mm256_set1_epi32(word);
}

__m256i load_line(const std::uint8_t* p) noexcept {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}

template <int Shift>
__m256i low_nibbles(__m256i v) noexcept {
  return _mm256_and_si256(Shift == 0 ? v : _mm256_srli_epi16(v, Shift), _mm256_set1_epi8(0x0f));
}

__m256 load_f16(const std::uint8_t* p) noexcept {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

__m256i load_int8(const std::uint8_t* p) noexcept {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}

// Words 4H to 4H + 3 of a block, half a line each (8 rows), and the sums of their products with 16
// activations.
struct Q8 {
  static constexpr BlockType kType = BlockType::kQ8_0;
  static constexpr int kOffset = 0;  // the codes become signed
  template <int H>
  static void codes(const std::uint8_t* lines, __m256i (&words)[4]) noexcept {
    const __m256i sign = _mm256_set1_epi8(static_cast<char>(0x80));
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      words[i] = _mm256_xor_si256(load_line(lines + (4 * H + i) * kBlockLine), sign);
    }
  }
  static __m256i dot(const __m256i (&words)[4], const std::int8_t* q) noexcept {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(words[i]),
                                                 _mm256_sign_epi8(broadcast4(q + 4 * i), words[i]));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
    return sum;
  }
};

__m256i dot_unsigned(const __m256i (&words)[4], const std::int8_t* q) noexcept {
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i first = _mm256_add_epi16(_mm256_maddubs_epi16(words[0], broadcast4(q)),
                                         _mm256_maddubs_epi16(words[1], broadcast4(q + 4)));
  const __m256i second = _mm256_add_epi16(_mm256_maddubs_epi16(words[2], broadcast4(q + 8)),
                                          _mm256_maddubs_epi16(words[3], broadcast4(q + 12)));
  return _mm256_add_epi32(_mm256_madd_epi16(first, ones), _mm256_madd_epi16(second, ones));
}

struct Q4 {
  static constexpr BlockType kType = BlockType::kQ4_0;
  static constexpr int kOffset = 8;
  template <int H>
  static void codes(const std::uint8_t* lines, __m256i (&words)[4]) noexcept {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) words[i] = low_nibbles<4 * H>(load_line(lines + i * kBlockLine));
  }
  static __m256i dot(const __m256i (&words)[4], const std::int8_t* q) noexcept {
    return dot_unsigned(words, q);
  }
};

struct Q6 {
  static constexpr BlockType kType = BlockType::kQ6_K;
  static constexpr int kOffset = 32;
  template <int H>
  static void codes(const std::uint8_t* lines, __m256i (&words)[4]) noexcept {
    Q4::codes<H>(lines, words);
    const __m256i v = load_line(lines + (4 + H) * kBlockLine);
    const __m256i at_4[4] = {_mm256_slli_epi16(v, 4), _mm256_slli_epi16(v, 2), v,
                             _mm256_srli_epi16(v, 2)};
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      words[i] = _mm256_or_si256(words[i], _mm256_and_si256(at_4[i], _mm256_set1_epi8(0x30)));
    }
  }
  static __m256i dot(const __m256i (&words)[4], const std::int8_t* q) noexcept {
    return dot_unsigned(words, q);
  }
};

// T tokens of a batch, from the first on.
struct Tokens {
  const std::int8_t* q;
  const std::int32_t* sums;
  const float* scales;
  std::int64_t stride;
};

Tokens tokens_from(const BlockBatch& x, std::int64_t t) noexcept {
  return {x.q + t * x.stride, x.sums + t * (x.stride / 16), x.scales + t * (x.stride / kQuantBlock),
          x.stride};
}

// Half H of block b: the sums of 8 rows for T tokens.
template <class Type, int H, int T>
void half_sums(const std::uint8_t* lines, const Tokens& x, std::int64_t b,
               __m256i (&sums)[T]) noexcept {
  __m256i words[4];
  Type::template codes<H>(lines, words);
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    sums[t] = Type::dot(words, x.q + t * x.stride + b * kQuantBlock + 16 * H);
    if constexpr (Type::kOffset != 0) {
      const std::int32_t sum = x.sums[t * (x.stride / 16) + 2 * b + H];
      sums[t] = _mm256_sub_epi32(sums[t], _mm256_set1_epi32(Type::kOffset * sum));
    }
  }
}

// Rows 8 * part to 8 * part + 7 of a row block against T tokens. Returns in acc the chains.
template <class Type, int T>
void chains(const std::uint8_t* row_block, std::int64_t cols, int part, const Tokens& x,
            __m256 (&acc)[T]) noexcept {
  const std::uint8_t* scales = row_block + block_scales_at(Type::kType, cols);
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) acc[t] = _mm256_setzero_ps();
  for (std::int64_t b = 0; b < cols / kQuantBlock; ++b) {
    const std::uint8_t* lines = row_block + b * block_code_bytes(Type::kType) + 32 * part;
    if constexpr (T == 1) {
      for (int i = 0; i < block_code_bytes(Type::kType); i += kBlockLine) {
        __builtin_prefetch(lines + kPrefetchBytes + i, 0, 2);
      }
    }
    __m256i first[T];
    __m256i second[T];
    half_sums<Type, 0, T>(lines, x, b, first);
    half_sums<Type, 1, T>(lines, x, b, second);
    __m256 d;
    if constexpr (Type::kType == BlockType::kQ6_K) {
      const std::uint8_t* super = scales + b / kSuperBlocks * kSuperScaleBytes;
      const std::uint8_t* sub = super + b % kSuperBlocks * kScaleBytes + 8 * part;
      const __m256i sub0 = load_int8(sub);
      const __m256i sub1 = load_int8(sub + kBlockRows);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        first[t] = _mm256_mullo_epi32(first[t], sub0);
        second[t] = _mm256_mullo_epi32(second[t], sub1);
      }
      d = load_f16(super + kSuperBlocks * kScaleBytes + 16 * part);
    } else {
      d = load_f16(scales + b * kScaleBytes + 16 * part);
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const __m256 a = _mm256_set1_ps(x.scales[t * (x.stride / kQuantBlock) + b]);
      const __m256 isum = _mm256_cvtepi32_ps(_mm256_add_epi32(first[t], second[t]));
      acc[t] = _mm256_fmadd_ps(isum, _mm256_mul_ps(d, a), acc[t]);
    }
  }
}

void store_rows(float* y, __m256 value, std::int64_t rows) noexcept {
  if (rows >= 8) return _mm256_storeu_ps(y, value);
  float lanes[8];
  _mm256_storeu_ps(lanes, value);
  for (std::int64_t r = 0; r < rows; ++r) y[r] = lanes[r];
}

// One row block, of which `rows` exist, against T tokens.
template <class Type, int T>
void tile(const std::uint8_t* row_block, const BlockMatrix& w, const Tokens& x, float* y,
          std::int64_t y_stride, std::int64_t rows) noexcept {
  for (int part = 0; part < 2 && 8 * part < rows; ++part) {
    __m256 acc[T];
    chains<Type, T>(row_block, w.cols, part, x, acc);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      store_rows(y + t * y_stride + 8 * part, _mm256_mul_ps(acc[t], _mm256_set1_ps(w.scale)),
                 rows - 8 * part);
    }
  }
}

template <class Type>
void gemm_of(const BlockMatrix& w, const BlockBatch& x, float* y, std::int64_t y_stride,
             std::int64_t begin, std::int64_t end) noexcept {
  const std::int64_t row_block_bytes = block_row_block_bytes(Type::kType, w.cols);
  const std::int64_t tiles = kGroupBytes / (kMaxTile * x.stride);
  const std::int64_t group = kMaxTile * (tiles > 1 ? tiles : 1);
  for (std::int64_t t0 = 0; t0 < x.tokens; t0 += group) {
    const std::int64_t t1 = x.tokens - t0 < group ? x.tokens : t0 + group;
    for (std::int64_t row = begin; row < end; row += kBlockRows) {
      const std::uint8_t* row_block = w.packed + row / kBlockRows * row_block_bytes;
      std::int64_t t = t0;
      for (; t1 - t >= kMaxTile; t += kMaxTile) {
        tile<Type, kMaxTile>(row_block, w, tokens_from(x, t), y + t * y_stride + row, y_stride,
                             end - row);
      }
      for (; t < t1; ++t) {
        tile<Type, 1>(row_block, w, tokens_from(x, t), y + t * y_stride + row, y_stride, end - row);
      }
    }
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

void gemv(const BlockMatrix& w, const BlockBatch& x, float* y, std::int64_t begin,
          std::int64_t end) noexcept {
  gemm(w, x, y, 0, begin, end);
}

}  // namespace

constinit const BlockKernels kBlock = {
    kBlockRows, scalar::block_packed_bytes, scalar::block_pack, scalar::block_unpack_row, gemv,
    gemm};

}  // namespace tern::kernels::avx2
