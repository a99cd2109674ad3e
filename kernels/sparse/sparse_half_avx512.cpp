// sparse_half.h by AVX-512. Everything here has internal linkage or is an intrinsic (see check.h).

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands in its own header for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "kernels/sparse/sparse_half.h"

namespace tern::kernels::avx512 {
namespace {

constexpr std::int64_t kLanes = 16;
constexpr std::int64_t kLineBytes = 64;
// Rows whose chains fill one register.
constexpr int kGroupRows = 16;
// How far ahead of its use a line is asked for: rows are far apart, and more of them are read side
// by side than the hardware follows.
constexpr std::int64_t kDotAheadLines = 8;
constexpr std::int64_t kAddAheadLines = 16;
// Rows that add_rows takes per visit of the outputs, and columns whose chains it holds meanwhile.
constexpr int kAddRows = 8;
constexpr int kAddVectors = 4;
constexpr std::int64_t kAddCols = kAddVectors * kLanes;

// Words of two columns, the left one in the low half, and 16 columns of one row.
struct F16 {
  static __m512 low(__m512i words) noexcept {
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(words));
  }
  static __m512 high(__m512i words) noexcept { return low(_mm512_srli_epi32(words, 16)); }
  static __m512 load(const std::uint8_t* p) noexcept {
    return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
  }
};
struct Bf16 {
  static __m512 low(__m512i words) noexcept {
    return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
  }
  static __m512 high(__m512i words) noexcept {
    return _mm512_castsi512_ps(
        _mm512_and_si512(words, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }
  static __m512 load(const std::uint8_t* p) noexcept {
    const __m256i half = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
    return low(_mm512_cvtepu16_epi32(half));
  }
};

const std::uint8_t* packed_row(const HalfMatrix& w, std::int32_t row) noexcept {
  return static_cast<const std::uint8_t*>(w.packed) +
         row * (sparse_half_stride(w.cols) * std::int64_t{sizeof(std::uint16_t)});
}

// Rows of the list that advance together, and those that come after them. Rows that do not exist
// are the last one again.
template <int N>
struct Rows {
  const std::uint8_t* at[N];

  Rows(const HalfMatrix& w, const std::int32_t* list, std::int64_t count) noexcept {
    for (std::int64_t i = 0; i < N; ++i) at[i] = packed_row(w, list[i < count ? i : count - 1]);
  }
};

// f(begin, end, ahead, shift) for lines [0, lines) of `rows` in two parts: what is to be asked for
// while line l is read lies at ahead.at[r] + l * kLineBytes + shift, further on in the same rows
// and then at the beginning of the next.
template <int N, class F>
void for_lines(const Rows<N>& rows, const Rows<N>& next, std::int64_t lines, std::int64_t ahead,
               F&& f) noexcept {
  const std::int64_t first = lines < ahead ? 0 : lines - ahead;
  f(std::int64_t{0}, first, rows, ahead * kLineBytes);
  f(first, lines, next, -first * kLineBytes);
}

void ask_for(const std::uint8_t* line) noexcept {
  _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T0);
}

// 16 bytes of rows 0, 4, 8 and 12.
__m512i every_fourth(const std::uint8_t* const* rows, std::int64_t at) noexcept {
  const auto piece = [&](int row) {
    return _mm_load_si128(reinterpret_cast<const __m128i*>(rows[row] + at));
  };
  __m512i v = _mm512_castsi128_si512(piece(0));
  v = _mm512_inserti32x4(v, piece(4), 1);
  v = _mm512_inserti32x4(v, piece(8), 2);
  return _mm512_inserti32x4(v, piece(12), 3);
}

// The 8 columns at `at` of 16 rows: word r of out[j] holds columns 2 j and 2 j + 1 of row r.
void transpose(const std::uint8_t* const* rows, std::int64_t at, __m512i out[4]) noexcept {
  const __m512i a = every_fourth(rows, at), b = every_fourth(rows + 1, at);
  const __m512i c = every_fourth(rows + 2, at), d = every_fourth(rows + 3, at);
  const __m512i ab_low = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
  const __m512i cd_low = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
  out[0] = _mm512_unpacklo_epi64(ab_low, cd_low);
  out[1] = _mm512_unpackhi_epi64(ab_low, cd_low);
  out[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
  out[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
}

// The chains of G groups of rows go on by the `cols` columns of one line; Whole: all of them.
template <class Type, int G, bool Whole>
void dot_line(const std::uint8_t* const* rows, std::int64_t at, const float* x, std::int64_t cols,
              __m512 acc[G]) noexcept {
#pragma GCC unroll 4
  for (int k = 0; k < kSparseHalfLineCols; k += 8) {
#pragma GCC unroll 2
    for (int g = 0; g < G; ++g) {
      __m512i words[4];
      transpose(rows + g * kGroupRows, at + 2 * k, words);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const int column = k + 2 * j;
        if (Whole || column < cols) {
          acc[g] = _mm512_fmadd_ps(Type::low(words[j]), _mm512_set1_ps(x[column]), acc[g]);
        }
        if (Whole || column + 1 < cols) {
          acc[g] = _mm512_fmadd_ps(Type::high(words[j]), _mm512_set1_ps(x[column + 1]), acc[g]);
        }
      }
    }
  }
}

// Up to G * kGroupRows rows: two groups, because one chain alone would wait for itself.
template <class Type, int G>
void dot_some(const HalfMatrix& w, const float* x, const std::int32_t* list, std::int64_t count,
              const Rows<G * kGroupRows>& next, float* y) noexcept {
  const Rows<G * kGroupRows> rows(w, list, count);
  __m512 acc[G];
#pragma GCC unroll 2
  for (int g = 0; g < G; ++g) acc[g] = _mm512_setzero_ps();
  const std::int64_t whole = w.cols / kSparseHalfLineCols;
  for_lines(rows, next, whole, kDotAheadLines,
            [&](std::int64_t begin, std::int64_t end, const auto& ahead, std::int64_t shift) {
              for (std::int64_t line = begin; line < end; ++line) {
                const std::int64_t at = line * kLineBytes;
                for (const std::uint8_t* row : ahead.at) ask_for(row + at + shift);
                dot_line<Type, G, true>(rows.at, at, x + line * kSparseHalfLineCols, 0, acc);
              }
            });
  const std::int64_t rest = w.cols % kSparseHalfLineCols;
  if (rest != 0) {
    dot_line<Type, G, false>(rows.at, whole * kLineBytes, x + whole * kSparseHalfLineCols, rest,
                             acc);
  }
#pragma GCC unroll 2
  for (int g = 0; g < G; ++g) {
    float lanes[kGroupRows];
    _mm512_storeu_ps(lanes, _mm512_mul_ps(acc[g], _mm512_set1_ps(w.scale)));
    for (int r = 0; r < kGroupRows && g * kGroupRows + r < count; ++r) {
      y[list[g * kGroupRows + r]] = lanes[r];
    }
  }
}

template <class Type>
void dot_rows_of(const HalfMatrix& w, const float* x, const std::int32_t* list, std::int64_t count,
                 float* y) noexcept {
  constexpr int kPair = 2 * kGroupRows;
  std::int64_t i = 0;
  for (; count - i > kGroupRows; i += kPair) {
    const std::int64_t then = count - i > kPair ? i + kPair : i;
    dot_some<Type, 2>(w, x, list + i, count - i, {w, list + then, count - then}, y);
  }
  if (i < count) {
    dot_some<Type, 1>(w, x, list + i, count - i, {w, list + i, count - i}, y);
  }
}

void dot_rows(const HalfMatrix& w, const float* x, const std::int32_t* list, std::int64_t count,
              float* y) noexcept {
  if (w.type == HalfType::kF16) return dot_rows_of<F16>(w, x, list, count, y);
  dot_rows_of<Bf16>(w, x, list, count, y);
}

// The chains of V vectors of columns, `at` bytes into the rows, go on by n rows; those of the last
// vector that exist.
template <class Type, int V>
void add_columns(const Rows<kAddRows>& rows, const float* x, std::int64_t n, std::int64_t at,
                 __mmask16 there, float* y) noexcept {
  __m512 acc[V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) acc[v] = _mm512_maskz_loadu_ps(there, y + v * kLanes);
  for (std::int64_t r = 0; r < n; ++r) {
    const __m512 b = _mm512_set1_ps(x[r]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      acc[v] = _mm512_fmadd_ps(Type::load(rows.at[r] + at + v * kLanes * 2), b, acc[v]);
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) _mm512_mask_storeu_ps(y + v * kLanes, there, acc[v]);
}

__mmask16 first_lanes(std::int64_t n) noexcept {
  return static_cast<__mmask16>(n >= kLanes ? 0xffffu : (1u << n) - 1u);
}

// y of columns [begin, end) goes on by the rows of a group.
template <class Type>
void add_group(const HalfMatrix& w, const float* x, const std::int32_t* list, std::int64_t count,
               const Rows<kAddRows>& next, std::int64_t begin, std::int64_t end,
               float* y) noexcept {
  const Rows<kAddRows> rows(w, list, count);
  const std::int64_t n = count < kAddRows ? count : kAddRows;
  float values[kAddRows];
  for (std::int64_t r = 0; r < n; ++r) values[r] = x[list[r]];
  constexpr std::int64_t kStepLines = kAddCols / kSparseHalfLineCols;
  const std::int64_t first = begin * std::int64_t{sizeof(std::uint16_t)};
  const std::int64_t steps = (end - begin) / kAddCols;
  for_lines(rows, next, steps * kStepLines, kAddAheadLines,
            [&](std::int64_t from, std::int64_t to, const auto& ahead, std::int64_t shift) {
              for (std::int64_t line = from; line < to; line += kStepLines) {
                const std::int64_t at = first + line * kLineBytes;
                for (const std::uint8_t* row : ahead.at) {
                  ask_for(row + at + shift);
                  ask_for(row + at + shift + kLineBytes);
                }
                add_columns<Type, kAddVectors>(rows, values, n, at, 0xffff,
                                               y + begin + line * kSparseHalfLineCols);
              }
            });
  for (std::int64_t c = begin + steps * kAddCols; c < end; c += kLanes) {
    add_columns<Type, 1>(rows, values, n, c * std::int64_t{sizeof(std::uint16_t)},
                         first_lanes(end - c), y + c);
  }
}

template <class Type>
void add_rows_of(const HalfMatrix& w, const float* x, const std::int32_t* list, std::int64_t count,
                 std::int64_t begin, std::int64_t end, float* y) noexcept {
  for (std::int64_t c = begin; c < end; c += kLanes) {
    _mm512_mask_storeu_ps(y + c, first_lanes(end - c), _mm512_setzero_ps());
  }
  for (std::int64_t i = 0; i < count; i += kAddRows) {
    const std::int64_t then = count - i > kAddRows ? i + kAddRows : i;
    add_group<Type>(w, x, list + i, count - i, {w, list + then, count - then}, begin, end, y);
  }
  for (std::int64_t c = begin; c < end; c += kLanes) {
    const __mmask16 there = first_lanes(end - c);
    const __m512 sum = _mm512_maskz_loadu_ps(there, y + c);
    _mm512_mask_storeu_ps(y + c, there, _mm512_mul_ps(sum, _mm512_set1_ps(w.scale)));
  }
}

void add_rows(const HalfMatrix& w, const float* x, const std::int32_t* list, std::int64_t count,
              std::int64_t begin, std::int64_t end, float* y) noexcept {
  if (w.type == HalfType::kF16) return add_rows_of<F16>(w, x, list, count, begin, end, y);
  add_rows_of<Bf16>(w, x, list, count, begin, end, y);
}

}  // namespace

constinit const SparseHalfKernels kSparseHalf = {scalar::sparse_half_packed_bytes,
                                                 scalar::sparse_half_pack, dot_rows, add_rows};

}  // namespace tern::kernels::avx512
