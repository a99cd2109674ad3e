// The codes of a line for the ARM files whose products take 4 rows x 4 columns. Included inside
// their anonymous namespace, before ternary_tiles.inl.

constexpr std::int64_t kExpandedLineBytes = 4 * kTernaryLineBytes;

// Columns 0 to 3 of a line, then 4 to 7, 8 to 11, 12 to 15; 16 rows of each.
void expand(const std::uint8_t* packed, std::int64_t lines, std::int64_t ahead,
            std::uint8_t* codes) noexcept {
  const uint8x16_t mask = vdupq_n_u8(3);
  for (std::int64_t i = 0; i < lines; ++i, codes += kExpandedLineBytes) {
    __builtin_prefetch(packed + ahead, 0, 2);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k, packed += 16) {
      const uint8x16_t v = vld1q_u8(packed);
      std::uint8_t* out = codes + 16 * k;
      vst1q_u8(out, vandq_u8(v, mask));
      vst1q_u8(out + kTernaryLineBytes, vandq_u8(vshrq_n_u8(v, 2), mask));
      vst1q_u8(out + 2 * kTernaryLineBytes, vandq_u8(vshrq_n_u8(v, 4), mask));
      vst1q_u8(out + 3 * kTernaryLineBytes, vshrq_n_u8(v, 6));
    }
  }
}
