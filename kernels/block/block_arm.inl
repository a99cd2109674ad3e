// block.h on Q registers: a quarter line is 4 rows x 4 columns, so a lane of a sum is a row.
// Included inside the anonymous namespace of block_<isa>.cpp, behind dot_quarter(words, q): the
// sums over 16 columns of 4 rows, words[i] being columns 4i to 4i + 3 of each as signed bytes.

// Activations of one group of tokens stay in L2 while all row blocks pass over them.
constexpr std::int64_t kGroupBytes = 128 * 1024;
constexpr int kMaxTile = 4;

// A quarter of line `line`: rows 4I to 4I + 3, I being part of the address.
uint8x16_t load_quarter(const std::uint8_t* lines, int line) noexcept {
  return vld1q_u8(lines + line * kBlockLine);
}

int8x16_t less(uint8x16_t codes, std::uint8_t offset) noexcept {
  return vreinterpretq_s8_u8(vsubq_u8(codes, vdupq_n_u8(offset)));
}

template <int H>
uint8x16_t nibbles(uint8x16_t v) noexcept {
  return H == 0 ? vandq_u8(v, vdupq_n_u8(15)) : vshrq_n_u8(v, 4);
}

// Words 4H to 4H + 3 of a block, the offset taken away.
struct Q8 {
  static constexpr BlockType kType = BlockType::kQ8_0;
  template <int H>
  static void codes(const std::uint8_t* lines, int8x16_t (&words)[4]) noexcept {
    for (int i = 0; i < 4; ++i) words[i] = less(load_quarter(lines, 4 * H + i), 128);
  }
};

struct Q4 {
  static constexpr BlockType kType = BlockType::kQ4_0;
  template <int H>
  static void codes(const std::uint8_t* lines, int8x16_t (&words)[4]) noexcept {
    for (int i = 0; i < 4; ++i) words[i] = less(nibbles<H>(load_quarter(lines, i)), 8);
  }
};

struct Q6 {
  static constexpr BlockType kType = BlockType::kQ6_K;
  template <int H>
  static void codes(const std::uint8_t* lines, int8x16_t (&words)[4]) noexcept {
    const uint8x16_t v = load_quarter(lines, 4 + H);
    const uint8x16_t at_4[4] = {vshlq_n_u8(v, 4), vshlq_n_u8(v, 2), v, vshrq_n_u8(v, 2)};
    for (int i = 0; i < 4; ++i) {
      const uint8x16_t top = vandq_u8(at_4[i], vdupq_n_u8(0x30));
      words[i] = less(vorrq_u8(nibbles<H>(load_quarter(lines, i)), top), 32);
    }
  }
};

// T tokens of a batch, from the first on.
struct Tokens {
  const std::int8_t* q;
  const float* scales;
  std::int64_t stride;
};

Tokens tokens_from(const BlockBatch& x, std::int64_t t) noexcept {
  return {x.q + t * x.stride, x.scales + t * (x.stride / kQuantBlock), x.stride};
}

float32x4_t load_f16(const std::uint8_t* p) noexcept {
  return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

// Four int8 at p, widened. Reads no more than them.
int32x4_t load_int8(const std::uint8_t* p) noexcept {
  std::int32_t word;
  std::memcpy(&word, p, sizeof word);
  const int8x8_t bytes = vreinterpret_s8_s32(vdup_n_s32(word));
  return vmovl_s16(vget_low_s16(vmovl_s8(bytes)));
}

// Half H of block b of 4 rows: sums for T tokens.
template <class Type, int H, int T>
void half_sums(const std::uint8_t* lines, const Tokens& x, std::int64_t b,
               int32x4_t (&sums)[T]) noexcept {
  int8x16_t words[4];
  Type::template codes<H>(lines, words);
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    sums[t] = dot_quarter(words, vld1q_s8(x.q + t * x.stride + b * kQuantBlock + 16 * H));
  }
}

// Rows 4 * part to 4 * part + 3 of block b against T tokens, added to their chains.
template <class Type, int T>
void add_block(const std::uint8_t* lines, const std::uint8_t* scales, std::int64_t b, int part,
               const Tokens& x, float32x4_t (&acc)[T]) noexcept {
  int32x4_t first[T];
  int32x4_t second[T];
  half_sums<Type, 0, T>(lines, x, b, first);
  half_sums<Type, 1, T>(lines, x, b, second);
  const std::uint8_t* d = scales + b * kScaleBytes;
  if constexpr (Type::kType == BlockType::kQ6_K) {
    const std::uint8_t* super = scales + b / kSuperBlocks * kSuperScaleBytes;
    const std::uint8_t* sub = super + b % kSuperBlocks * kScaleBytes + 4 * part;
    const int32x4_t sub0 = load_int8(sub);
    const int32x4_t sub1 = load_int8(sub + kBlockRows);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      first[t] = vmulq_s32(first[t], sub0);
      second[t] = vmulq_s32(second[t], sub1);
    }
    d = super + kSuperBlocks * kScaleBytes;
  }
  const float32x4_t row_scales = load_f16(d + 8 * part);
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    const float a = x.scales[t * (x.stride / kQuantBlock) + b];
    const float32x4_t isum = vcvtq_f32_s32(vaddq_s32(first[t], second[t]));
    acc[t] = vfmaq_f32(acc[t], isum, vmulq_n_f32(row_scales, a));
  }
}

void store_rows(float* y, float32x4_t value, std::int64_t rows) noexcept {
  if (rows >= 4) return vst1q_f32(y, value);
  float lanes[4];
  vst1q_f32(lanes, value);
  for (std::int64_t r = 0; r < rows; ++r) y[r] = lanes[r];
}

// One row block, of which `rows` exist, against T tokens.
template <class Type, int T>
void tile(const std::uint8_t* row_block, const BlockMatrix& w, const Tokens& x, float* y,
          std::int64_t y_stride, std::int64_t rows) noexcept {
  const std::uint8_t* scales = row_block + block_scales_at(Type::kType, w.cols);
  float32x4_t acc[4][T];
  for (int part = 0; part < 4; ++part) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) acc[part][t] = vdupq_n_f32(0.0f);
  }
  for (std::int64_t b = 0; b < w.cols / kQuantBlock; ++b) {
    const std::uint8_t* lines = row_block + b * block_code_bytes(Type::kType);
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) {
      add_block<Type, T>(lines + 16 * part, scales, b, part, x, acc[part]);
    }
  }
  for (int part = 0; part < 4 && 4 * part < rows; ++part) {
    for (int t = 0; t < T; ++t) {
      store_rows(y + t * y_stride + 4 * part, vmulq_n_f32(acc[part][t], w.scale), rows - 4 * part);
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
