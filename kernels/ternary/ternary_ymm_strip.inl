// gemv of the 256-bit x86 files, over their dot() and widen(). Included inside their anonymous
// namespace, before ternary_tiles.inl.

// Some lines of B row blocks against one token. The codes of columns 4 to 7 and 12 to 15 stay where
// they are in the byte, times 4, and get accumulators of their own: after a strip of kStripLines
// they are at the limit of int16 on AVX2 (eight lines, two additions each), far from that of int32
// on AVX-VNNI.
template <int B>
void dot_strip(const std::uint8_t* packed, std::int64_t block_bytes, std::int64_t lines,
               std::int64_t ahead, const std::int8_t* q,
               std::int32_t (*sums)[kTernaryRowBlock]) noexcept {
  const __m256i once = _mm256_set1_epi8(0x03);
  const __m256i times_four = _mm256_set1_epi8(0x0c);
  __m256i acc[B][2][2];
#pragma GCC unroll 4
  for (auto& block : acc) {
    block[0][0] = block[0][1] = block[1][0] = block[1][1] = _mm256_setzero_si256();
  }
  for (std::int64_t i = 0; i < lines; ++i, packed += kTernaryLineBytes, q += kTernaryLineCols) {
    const __m256i words[4] = {broadcast4(q), broadcast4(q + 4), broadcast4(q + 8),
                              broadcast4(q + 12)};
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) {
      const std::uint8_t* line = packed + b * block_bytes;
      __builtin_prefetch(line + ahead, 0, 2);
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        const __m256i v = load(line + 32 * half);
        const __m256i shifted = _mm256_srli_epi16(v, 4);
        dot(acc[b][half][0], _mm256_and_si256(v, once), words[0]);
        dot(acc[b][half][1], _mm256_and_si256(v, times_four), words[1]);
        dot(acc[b][half][0], _mm256_and_si256(shifted, once), words[2]);
        dot(acc[b][half][1], _mm256_and_si256(shifted, times_four), words[3]);
      }
    }
  }
#pragma GCC unroll 4
  for (int b = 0; b < B; ++b) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m256i quarter = _mm256_srai_epi32(widen(acc[b][half][1]), 2);
      add_to(sums[b] + 8 * half, _mm256_add_epi32(widen(acc[b][half][0]), quarter));
    }
  }
}
