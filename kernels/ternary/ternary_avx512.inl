// Dot products of 64-byte lines of layout t2 by VPDPBUSD: 16 rows x 4 columns of unsigned codes
// against four signed activations broadcast to every lane, so a lane is a row and nothing is added
// across lanes. Included inside the anonymous namespace of the files of this folder for AVX-512,
// behind kernels/simd/reading.h.

// gemv leaves the codes at their place in the byte (times 1, 4, 16, 64) and shifts the sums
// instead. The largest sum grows by 2 * 64 * 128 per column of its quarter: 2^30 after this many
// lines.
constexpr std::int64_t kGemvChunkLines = std::int64_t{1} << 14;

// 24 accumulators, four registers of codes, a mask and a broadcast fill the 32 registers.
constexpr int kMaxTile = 24;

// gemm copies the activations of a tile of tokens, this many columns at a time, into one run of
// memory: a tile then streams through L1 instead of touching a far row per token, where strides
// that are large powers of two would share cache sets. 24 KiB for every tile.
constexpr std::int64_t kChunkCols = 1024;  // of the widest tile
template <int T>
constexpr std::int64_t kTileCols = kMaxTile * kChunkCols / T;

__m512i broadcast4(const std::int8_t* q) noexcept {
  std::int32_t word;
  std::memcpy(&word, q, sizeof word);
  return _mm512_set1_epi32(word);
}

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

void store_rows(float* y, __m512i acc, std::int32_t sum, float scale, std::int64_t rows) noexcept {
  const __m512 value = _mm512_mul_ps(
      _mm512_cvtepi32_ps(_mm512_sub_epi32(acc, _mm512_set1_epi32(sum))), _mm512_set1_ps(scale));
  if (rows >= kTernaryRowBlock) {
    _mm512_storeu_ps(y, value);
  } else {
    _mm512_mask_storeu_ps(y, static_cast<__mmask16>((1u << rows) - 1u), value);
  }
}

// The sum of accumulators whose codes were 1, 4, 16 and 64 times too large.
__m512i add_quarters(__m512i a, __m512i b, __m512i c, __m512i d) noexcept {
  return _mm512_add_epi32(_mm512_add_epi32(a, _mm512_srai_epi32(b, 2)),
                          _mm512_add_epi32(_mm512_srai_epi32(c, 4), _mm512_srai_epi32(d, 6)));
}

// Sum(code * q) of B neighbouring row blocks over at most kGemvChunkLines lines, added to totals.
// Asks for what lies `ahead` of each.
template <class Reading, int B>
void dot_lines(const std::uint8_t* packed, std::int64_t block_bytes, std::int64_t lines,
               std::int64_t ahead, const std::int8_t* q, __m512i* totals) noexcept {
  const __m512i masks[4] = {_mm512_set1_epi8(0x03), _mm512_set1_epi8(0x0c), _mm512_set1_epi8(0x30),
                            _mm512_set1_epi8(static_cast<char>(0xc0))};
  __m512i acc[B][4];
#pragma GCC unroll 4
  for (int b = 0; b < B; ++b) {
    acc[b][0] = acc[b][1] = acc[b][2] = acc[b][3] = _mm512_setzero_si512();
  }
  for (std::int64_t line = 0; line < lines; ++line) {
    const std::int8_t* ql = q + line * kTernaryLineCols;
    const __m512i words[4] = {broadcast4(ql), broadcast4(ql + 4), broadcast4(ql + 8),
                              broadcast4(ql + 12)};
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) {
      const std::uint8_t* p = packed + b * block_bytes + line * kTernaryLineBytes;
      __builtin_prefetch(p + ahead, 0, Reading::kLocality);
      const __m512i v = _mm512_load_si512(p);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) dot(acc[b][j], _mm512_and_si512(v, masks[j]), words[j]);
    }
  }
#pragma GCC unroll 4
  for (int b = 0; b < B; ++b) {
    const __m512i sum = add_quarters(acc[b][0], acc[b][1], acc[b][2], acc[b][3]);
    totals[b] = _mm512_add_epi32(totals[b], sum);
  }
}

// Sum(code * q) of up to 16 rows and one token, kept in y between chunks of columns.
__m512i load_partial(const float* y, std::int64_t rows) noexcept {
  if (rows >= kTernaryRowBlock) return _mm512_loadu_si512(y);
  return _mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << rows) - 1u), y);
}

void store_partial(float* y, __m512i acc, std::int64_t rows) noexcept {
  if (rows >= kTernaryRowBlock) {
    _mm512_storeu_si512(y, acc);
  } else {
    _mm512_mask_storeu_epi32(y, static_cast<__mmask16>((1u << rows) - 1u), acc);
  }
}

// Words of four activations: from (tokens, stride) to (cols / 4, T). T is a multiple of 4; the last
// token stands for those that do not exist.
template <int T>
void interleave(const std::int8_t* q, std::int64_t stride, std::int64_t cols, std::int8_t* words,
                std::int64_t tokens = T) noexcept {
  for (int t = 0; t < T; t += 4) {
    const auto row = [=](std::int64_t i) { return q + (i < tokens ? i : tokens - 1) * stride; };
    const std::int8_t* const rows[4] = {row(t), row(t + 1), row(t + 2), row(t + 3)};
    std::int8_t* out = words + 4 * t;
    for (std::int64_t k = 0; k < cols; k += 16, out += 16 * T) {
      const __m128i r0 = _mm_load_si128(reinterpret_cast<const __m128i*>(rows[0] + k));
      const __m128i r1 = _mm_load_si128(reinterpret_cast<const __m128i*>(rows[1] + k));
      const __m128i r2 = _mm_load_si128(reinterpret_cast<const __m128i*>(rows[2] + k));
      const __m128i r3 = _mm_load_si128(reinterpret_cast<const __m128i*>(rows[3] + k));
      const __m128i low01 = _mm_unpacklo_epi32(r0, r1);
      const __m128i high01 = _mm_unpackhi_epi32(r0, r1);
      const __m128i low23 = _mm_unpacklo_epi32(r2, r3);
      const __m128i high23 = _mm_unpackhi_epi32(r2, r3);
      auto* to = reinterpret_cast<__m128i*>(out);
      _mm_store_si128(to, _mm_unpacklo_epi64(low01, low23));
      _mm_store_si128(to + T / 4, _mm_unpackhi_epi64(low01, low23));
      _mm_store_si128(to + 2 * (T / 4), _mm_unpacklo_epi64(high01, high23));
      _mm_store_si128(to + 3 * (T / 4), _mm_unpackhi_epi64(high01, high23));
    }
  }
}

// Where the words of T tokens lie: interleaved by `interleave`, or in place for a few tokens.
struct Words {
  const std::int8_t* q;
  std::int64_t token_stride;
  std::int64_t word_stride;
};

struct Outputs {
  const std::int32_t* sums;
  const float* scales;
  float* y;  // of the first token, at the first row of the block
  std::int64_t y_stride;
  std::int64_t rows;    // that exist from there on
  bool first;           // no partial sums in y yet
  bool last;            // y becomes the result
  std::int64_t tokens;  // that exist from there on, at most those of the tile
};

// Two products start in each cycle and take five, so a narrow tile wants more chains than it has
// tokens. It has the registers: two sets of accumulators or four, of which all but the first take
// codes that stay where they are in the byte, which also saves shifts.
template <int T>
constexpr int kSets = T > 12  ? 1
                      : T > 4 ? 2
                              : 4;

template <int Sets>
void unpack(__m512i v, __m512i (&codes)[4]) noexcept {
  const __m512i once = _mm512_set1_epi8(0x03);
  const __m512i times_4 = _mm512_set1_epi8(0x0c);
  codes[0] = _mm512_and_si512(v, once);
  if constexpr (Sets == 1) {
    codes[1] = _mm512_and_si512(_mm512_srli_epi16(v, 2), once);
    codes[2] = _mm512_and_si512(_mm512_srli_epi16(v, 4), once);
    codes[3] = _mm512_and_si512(_mm512_srli_epi16(v, 6), once);
  } else if constexpr (Sets == 2) {
    const __m512i shifted = _mm512_srli_epi16(v, 4);
    codes[1] = _mm512_and_si512(v, times_4);
    codes[2] = _mm512_and_si512(shifted, once);
    codes[3] = _mm512_and_si512(shifted, times_4);
  } else {
    codes[1] = _mm512_and_si512(v, times_4);
    codes[2] = _mm512_and_si512(v, _mm512_set1_epi8(0x30));
    codes[3] = _mm512_and_si512(v, _mm512_set1_epi8(static_cast<char>(0xc0)));
  }
}

// The sum of the sets of one token, of the first T.
template <int T>
__m512i merge(const __m512i* acc) noexcept {
  if constexpr (kSets<T> == 1) return acc[0];
  if constexpr (kSets<T> == 2) return _mm512_add_epi32(acc[0], _mm512_srai_epi32(acc[T], 2));
  if constexpr (kSets<T> == 4) return add_quarters(acc[0], acc[T], acc[2 * T], acc[3 * T]);
}

// Sum(code * q) of one row block and T tokens: each line unpacked once for all of them. Asks
// for the lines `ahead`, of the next row block. Not to be inlined: g++ 12 then spills accumulators.
template <int T>
[[gnu::noinline]] void dot_tile(const std::uint8_t* packed, std::int64_t lines, std::int64_t ahead,
                                Words words, __m512i* sums) noexcept {
  __m512i acc[kSets<T> * T];
#pragma GCC unroll 24
  for (int i = 0; i < kSets<T> * T; ++i) {
    acc[i] = _mm512_setzero_si512();
  }
  // Constants for the compiler: with a stride of T words every address is one displacement.
  const std::int64_t token_stride = T >= 4 ? 4 : words.token_stride;
  const std::int64_t word_stride = T >= 4 ? 4 * T : words.word_stride;
  const std::int8_t* q = words.q;
  for (std::int64_t line = 0; line < lines; ++line, q += 4 * word_stride) {
    const std::uint8_t* p = packed + line * kTernaryLineBytes;
    _mm_prefetch(reinterpret_cast<const char*>(p + ahead), _MM_HINT_T1);
    __m512i codes[4];
    unpack<kSets<T>>(_mm512_load_si512(p), codes);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
#pragma GCC unroll 24
      for (int t = 0; t < T; ++t) {
        dot_broadcast(acc[j % kSets<T> * T + t], codes[j], q + j * word_stride + t * token_stride);
      }
    }
  }
#pragma GCC unroll 24
  for (int t = 0; t < T; ++t) sums[t] = merge<T>(acc + t);
}

// One row block against T tokens.
template <int T>
void tile(const std::uint8_t* packed, std::int64_t lines, std::int64_t ahead, Words words,
          const Outputs& out) noexcept {
  __m512i sums[T];
  dot_tile<T>(packed, lines, ahead, words, sums);
  for (std::int64_t t = 0; t < out.tokens; ++t) {
    float* y = out.y + t * out.y_stride;
    if (!out.first) sums[t] = _mm512_add_epi32(sums[t], load_partial(y, out.rows));
    if (out.last) {
      store_rows(y, sums[t], out.sums[t], out.scales[t], out.rows);
    } else {
      store_partial(y, sums[t], out.rows);
    }
  }
}

std::int64_t peak(std::int64_t rounds) noexcept {
  __m512i acc[kMaxTile];
#pragma GCC unroll 24
  for (int t = 0; t < kMaxTile; ++t) acc[t] = _mm512_setzero_si512();
  const __m512i ones = _mm512_set1_epi8(1);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int t = 0; t < kMaxTile; ++t)
      asm volatile("vpdpbusd %1, %1, %0" : "+v"(acc[t]) : "v"(ones));
  }
  std::int64_t done = 0;
#pragma GCC unroll 24
  for (int t = 0; t < kMaxTile; ++t) {
    std::int32_t lanes[16];
    _mm512_storeu_si512(lanes, acc[t]);
    for (const std::int32_t lane : lanes) done += lane;
  }
  return done;
}
