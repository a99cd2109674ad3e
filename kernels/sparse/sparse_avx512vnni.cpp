// Layout r2 by VPDPBUSD. Codes stay at their place in the byte (times 1, 4, 16, 64), one
// accumulator for each place, and the sums are shifted instead. Everything here has internal
// linkage or is an intrinsic (see check.h).

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands in its own header for a mistake (GCC bug
// 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "kernels/sparse/layout.h"
#include "kernels/sparse/sparse.h"

namespace tern::kernels::avx512vnni {
namespace {

// dot_rows takes this many rows at once: they share the loads of q, and 16 chains hide the latency
// of the dot product.
constexpr int kRows = 4;
// How far ahead dot_rows asks for rows: 16 rows of 640 bytes were best on one thread of Zen 5.
constexpr std::int64_t kAheadBytes = 10240;
static_assert(kMaxTernaryCols / kSparseLineCols * 4 * (3 * 64) * 128 <= 0x7fffffff,
              "the largest sum of one accumulator, of codes 3 at the highest place");

// add_rows interleaves four rows byte by byte, so that a dot product adds four of them, and takes
// this many such quads per visit of the sums.
constexpr int kQuads = 4;
constexpr std::int64_t kGroup = 4 * kQuads;

// A line further than 4 KiB is not asked for by the hardware: rows are far apart. Both functions
// ask for the lines of the next rows of the list while they compute.
void ask_for(const std::uint8_t* line) noexcept {
  _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T0);
}

// In place: see ternary_avx512.inl.
void dot(__m512i& acc, __m512i codes, __m512i q) noexcept {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(codes), "v"(q));
}

__m512i load(const void* p) noexcept { return _mm512_loadu_si512(p); }

struct Masks {
  __m512i of[4] = {_mm512_set1_epi8(0x03), _mm512_set1_epi8(0x0c), _mm512_set1_epi8(0x30),
                   _mm512_set1_epi8(static_cast<char>(0xc0))};
};

__m512i add_places(const __m512i* acc) noexcept {
  return _mm512_add_epi32(
      _mm512_add_epi32(acc[0], _mm512_srai_epi32(acc[1], 2)),
      _mm512_add_epi32(_mm512_srai_epi32(acc[2], 4), _mm512_srai_epi32(acc[3], 6)));
}

const std::uint8_t* packed_row(const TernaryMatrix& w, std::int32_t row) noexcept {
  return w.packed + row * sparse_lines(w.cols) * kSparseLineBytes;
}

// Those that compare with 0 as `Compare` says.
template <int Compare>
std::int64_t list_floats(const float* x, std::int64_t begin, std::int64_t end,
                         std::int32_t* list) noexcept {
  std::int64_t count = 0;
  __m512i index =
      _mm512_add_epi32(_mm512_set1_epi32(static_cast<std::int32_t>(begin)),
                       _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  for (std::int64_t i = begin; i < end; i += 16) {
    const auto there = static_cast<__mmask16>(end - i >= 16 ? 0xffffu : (1u << (end - i)) - 1u);
    const __mmask16 wanted = _mm512_mask_cmp_ps_mask(there, _mm512_maskz_loadu_ps(there, x + i),
                                                     _mm512_setzero_ps(), Compare);
    // Compressed in a register: some processors are slow at compressing into memory.
    _mm512_mask_storeu_epi32(list + count,
                             static_cast<__mmask16>((1u << __builtin_popcount(wanted)) - 1u),
                             _mm512_maskz_compress_epi32(wanted, index));
    count += __builtin_popcount(wanted);
    index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
  }
  return count;
}

std::int64_t list_nonzero(const std::int8_t* q, std::int64_t begin, std::int64_t end,
                          std::int32_t* list) noexcept {
  std::int64_t count = 0;
  for (std::int64_t i = begin; i < end; i += 64) {
    const __mmask64 there = end - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (end - i)) - 1;
    const __m512i values = _mm512_maskz_loadu_epi8(there, q + i);
    for (std::uint64_t left = _mm512_test_epi8_mask(values, values); left != 0; left &= left - 1) {
      list[count++] = static_cast<std::int32_t>(i) + __builtin_ctzll(left);
    }
  }
  return count;
}

// acc[r][j] += codes of place j of `lines` lines of each row times their activations. The last line
// has `fields` of its four places.
template <int R>
void dot_lines(const std::uint8_t* const* rows, const std::uint8_t* const* next,
               const std::int8_t* q, std::int64_t lines, std::int64_t fields, const Masks& masks,
               __m512i (*acc)[4]) noexcept {
  for (std::int64_t line = 0; line < lines; ++line, q += kSparseLineCols) {
    const std::int64_t at = line * kSparseLineBytes;
    const std::int64_t there = line + 1 < lines ? kSparseFields : fields;
    __m512i codes[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      codes[r] = load(rows[r] + at);
      ask_for(next[r] + at);
    }
#pragma GCC unroll 4
    for (int j = 0; j < kSparseFields; ++j) {
      if (j >= there) break;
      const __m512i values = load(q + j * 64);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) dot(acc[r][j], _mm512_and_si512(codes[r], masks.of[j]), values);
    }
  }
}

template <int R>
void dot_some(const TernaryMatrix& w, const QuantizedBatch& x, const std::int32_t* list,
              const std::int32_t* next, float* y) noexcept {
  const Masks masks;
  const std::uint8_t* rows[R];
  const std::uint8_t* ahead[R];
  __m512i acc[R][4];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    rows[r] = packed_row(w, list[r]);
    ahead[r] = packed_row(w, next[r]);
    acc[r][0] = acc[r][1] = acc[r][2] = acc[r][3] = _mm512_setzero_si512();
  }
  const std::int64_t lines = sparse_lines(w.cols);
  const std::int64_t last = w.cols - (lines - 1) * kSparseLineCols;  // columns of the last line
  dot_lines<R>(rows, ahead, x.q, lines, (last + 63) / 64, masks, acc);
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const std::int32_t sum = _mm512_reduce_add_epi32(add_places(acc[r]));
    y[list[r]] = static_cast<float>(sum - x.sums[0]) * x.scales[0];
  }
}

void dot_rows(const TernaryMatrix& w, const QuantizedBatch& x, const std::int32_t* list,
              std::int64_t count, float* y) noexcept {
  const std::int64_t far = kAheadBytes / (sparse_lines(w.cols) * kSparseLineBytes);
  const std::int64_t ahead = far < kRows ? kRows : far;
  std::int64_t i = 0;
  for (; i + kRows <= count; i += kRows) {
    const std::int64_t then = i + ahead + kRows <= count ? i + ahead : i;
    dot_some<kRows>(w, x, list + i, list + then, y);
  }
  for (; i < count; ++i) dot_some<1>(w, x, list + i, list + i, y);
}

// The codes of four lines, interleaved: dword 4 l + e of register v holds bytes 16 l + 4 v + e of
// all four.
void interleave(const std::uint8_t* const* lines, std::int64_t at, __m512i out[4]) noexcept {
  const __m512i a = load(lines[0] + at), b = load(lines[1] + at);
  const __m512i c = load(lines[2] + at), d = load(lines[3] + at);
  const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
  const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
  out[0] = _mm512_unpacklo_epi16(ab_low, cd_low);
  out[1] = _mm512_unpackhi_epi16(ab_low, cd_low);
  out[2] = _mm512_unpacklo_epi16(ab_high, cd_high);
  out[3] = _mm512_unpackhi_epi16(ab_high, cd_high);
}

// Up to kGroup rows of the list: their lines and the activations of each four. Those that do not
// exist are the first row times zero.
struct Group {
  const std::uint8_t* rows[kGroup];
  std::int32_t q[kQuads];
};

Group make_group(const TernaryMatrix& w, const std::int8_t* q, const std::int32_t* list,
                 std::int64_t count) noexcept {
  Group group;
  std::int8_t values[kGroup];
  for (std::int64_t i = 0; i < kGroup; ++i) {
    group.rows[i] = packed_row(w, list[i < count ? i : 0]);
    values[i] = i < count ? q[list[i]] : std::int8_t{0};
  }
  std::memcpy(group.q, values, sizeof values);
  return group;
}

// Adds the group's rows to the sums, which lie in the order of the accumulators: register 4 j + v
// of a line after the other.
void add_group(const Group& group, const Group& next, std::int64_t lines, const Masks& masks,
               std::int32_t* sums) noexcept {
  for (std::int64_t line = 0; line < lines; ++line, sums += kSparseLineCols) {
    const std::int64_t at = line * kSparseLineBytes;
    __m512i acc[4][4];  // v, j
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      acc[v][0] = acc[v][1] = acc[v][2] = acc[v][3] = _mm512_setzero_si512();
    }
#pragma GCC unroll 1
    for (int quad = 0; quad < kQuads; ++quad) {
      __m512i codes[4];
      interleave(group.rows + 4 * quad, at, codes);
      for (int r = 0; r < 4; ++r) ask_for(next.rows[4 * quad + r] + at);
      const __m512i q = _mm512_set1_epi32(group.q[quad]);
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) dot(acc[v][j], _mm512_and_si512(codes[v], masks.of[j]), q);
      }
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        std::int32_t* out = sums + 64 * j + 16 * v;
        _mm512_store_si512(
            out, _mm512_add_epi32(_mm512_load_si512(out), _mm512_srai_epi32(acc[v][j], 2 * j)));
      }
    }
  }
}

// From the order of the accumulators to that of the columns: 16 v + 4 l + e to 16 l + 4 v + e.
void order_sums(std::int32_t* sums, std::int64_t lines) noexcept {
  for (std::int64_t part = 0; part < 4 * lines; ++part, sums += 64) {
    const __m512i a = _mm512_load_si512(sums), b = _mm512_load_si512(sums + 16);
    const __m512i c = _mm512_load_si512(sums + 32), d = _mm512_load_si512(sums + 48);
    const __m512i ab_low = _mm512_shuffle_i32x4(a, b, 0x44);
    const __m512i ab_high = _mm512_shuffle_i32x4(a, b, 0xee);
    const __m512i cd_low = _mm512_shuffle_i32x4(c, d, 0x44);
    const __m512i cd_high = _mm512_shuffle_i32x4(c, d, 0xee);
    _mm512_store_si512(sums, _mm512_shuffle_i32x4(ab_low, cd_low, 0x88));
    _mm512_store_si512(sums + 16, _mm512_shuffle_i32x4(ab_low, cd_low, 0xdd));
    _mm512_store_si512(sums + 32, _mm512_shuffle_i32x4(ab_high, cd_high, 0x88));
    _mm512_store_si512(sums + 48, _mm512_shuffle_i32x4(ab_high, cd_high, 0xdd));
  }
}

void add_rows(const TernaryMatrix& w, const std::int8_t* q, const std::int32_t* list,
              std::int64_t count, std::int32_t* sums) noexcept {
  const std::int64_t lines = sparse_lines(w.cols);
  std::memset(sums, 0, static_cast<std::size_t>(lines * kSparseLineCols) * sizeof *sums);
  if (count == 0) return;
  const Masks masks;
  Group group = make_group(w, q, list, count);
  for (std::int64_t i = 0; i < count; i += kGroup) {
    const std::int64_t then = i + kGroup < count ? i + kGroup : i;
    const Group next = make_group(w, q, list + then, count - then);
    add_group(group, next, lines, masks, sums);
    group = next;
  }
  order_sums(sums, lines);
}

void merge_sums(const std::int32_t* parts, std::int64_t count, std::int64_t stride,
                std::int32_t q_sum, float scale, std::int64_t begin, std::int64_t end,
                float* y) noexcept {
  for (std::int64_t c = begin; c < end; c += 16) {
    const auto there = static_cast<__mmask16>(end - c >= 16 ? 0xffffu : (1u << (end - c)) - 1u);
    __m512i sum = _mm512_set1_epi32(-q_sum);
    for (std::int64_t part = 0; part < count; ++part) {
      sum = _mm512_add_epi32(sum, _mm512_maskz_loadu_epi32(there, parts + part * stride + c));
    }
    _mm512_mask_storeu_ps(y + c, there,
                          _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(scale)));
  }
}

}  // namespace

constinit const SparseKernels kSparse = {scalar::sparse_packed_bytes,
                                         scalar::sparse_pack,
                                         scalar::sparse_unpack_row,
                                         list_floats<_CMP_GT_OQ>,
                                         list_nonzero,
                                         list_floats<_CMP_NEQ_UQ>,
                                         dot_rows,
                                         add_rows,
                                         merge_sums};

}  // namespace tern::kernels::avx512vnni
