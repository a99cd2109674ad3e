// gemv of the ARM files that have SDOT: a 16-byte quarter line is 4 rows x 4 columns of codes, lane
// j of the 16 activations of a line holds their columns 4j to 4j+3, so a lane of the result is a
// row. Included inside their anonymous namespace, before ternary_tiles.inl.

constexpr int kSideBySide = 1;
constexpr std::int64_t kStripLines = 64;
constexpr std::int64_t kPrefetchLines = 32;

// Codes stay at their place in the byte (times 1, 4, 16) and the sums are shifted instead. Not the
// top two bits: code 2 there would be a negative int8.
template <int B>
void dot_strip(const std::uint8_t* packed, std::int64_t, std::int64_t lines, std::int64_t ahead,
               const std::int8_t* q, std::int32_t (*sums)[kTernaryRowBlock]) noexcept {
  static_assert(B == kSideBySide);
  int32x4_t acc[4][3];
#pragma GCC unroll 4
  for (auto& quarter : acc) quarter[0] = quarter[1] = quarter[2] = vdupq_n_s32(0);
  for (std::int64_t i = 0; i < lines; ++i, packed += kTernaryLineBytes, q += kTernaryLineCols) {
    __builtin_prefetch(packed + ahead, 0, 2);
    const int8x16_t words = vld1q_s8(q);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const uint8x16_t v = vld1q_u8(packed + 16 * k);
      const int8x16_t c0 = vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(0x03)));
      const int8x16_t c1 = vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(0x0c)));
      const int8x16_t c2 = vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(0x30)));
      const int8x16_t c3 = vreinterpretq_s8_u8(vshrq_n_u8(v, 6));
      acc[k][0] = vdotq_laneq_s32(acc[k][0], c0, words, 0);
      acc[k][1] = vdotq_laneq_s32(acc[k][1], c1, words, 1);
      acc[k][2] = vdotq_laneq_s32(acc[k][2], c2, words, 2);
      acc[k][0] = vdotq_laneq_s32(acc[k][0], c3, words, 3);
    }
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const int32x4_t once = vaddq_s32(vld1q_s32(sums[0] + 4 * k), acc[k][0]);
    const int32x4_t more = vsraq_n_s32(vshrq_n_s32(acc[k][1], 2), acc[k][2], 4);
    vst1q_s32(sums[0] + 4 * k, vaddq_s32(once, more));
  }
}
