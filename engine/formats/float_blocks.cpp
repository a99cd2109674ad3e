#include "engine/formats/float_blocks.h"

namespace tern::engine {

void q8_0_block(const std::byte* block, float* out) noexcept {
  const float d = f16_at(block);
  for (int i = 0; i < 32; ++i)
    out[i] = static_cast<float>(static_cast<std::int8_t>(block[2 + i])) * d;
}

// ggml block_q4_0: d, then byte j holds element j in its low and element j + 16 in its high nibble.
void q4_0_block(const std::byte* block, float* out) noexcept {
  const float d = f16_at(block);
  for (int i = 0; i < 16; ++i) {
    const unsigned pair = u8(block[2 + i]);
    out[i] = static_cast<float>(static_cast<int>(pair & 15u) - 8) * d;
    out[i + 16] = static_cast<float>(static_cast<int>(pair >> 4) - 8) * d;
  }
}

// ggml block_q5_0: d, 32 top bits, then nibbles as in block_q4_0. Value (code - 16) * d.
std::array<std::int8_t, 32> q5_0_integers(const std::byte* block) noexcept {
  std::array<std::int8_t, 32> integers{};
  for (std::size_t i = 0; i < 32; ++i) {
    const unsigned pair = u8(block[6 + i % 16]);
    const unsigned top = u8(block[2 + i / 8]) >> (i % 8) & 1u;
    const unsigned code = (i < 16 ? pair & 15u : pair >> 4) | top << 4;
    integers[i] = static_cast<std::int8_t>(static_cast<int>(code) - 16);
  }
  return integers;
}

void q5_0_block(const std::byte* block, float* out) noexcept {
  const float d = f16_at(block);
  for (const std::int8_t integer : q5_0_integers(block)) *out++ = static_cast<float>(integer) * d;
}

// ggml block_q6_K: ql[128], qh[64], scales[16], d. Within each half of 128, element 32g+k has its
// low four bits in ql[k or k+32] and its top two in qh[k]. d * scale is exact, so the product
// rounds once.
void q6_k_block(const std::byte* block, float* out) noexcept {
  const std::byte* const scales = block + 192;
  const float d = f16_at(block + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, group = i % 128 / 32, k = i % 32;
    const unsigned low_byte = u8(block[64 * half + k + (group % 2 != 0 ? 32 : 0)]);
    const unsigned low = group < 2 ? low_byte & 0xfu : low_byte >> 4;
    const unsigned high = (u8(block[128 + 32 * half + k]) >> (2 * group)) & 3u;
    const int q = static_cast<int>(low | (high << 4)) - 32;
    const int scale = static_cast<std::int8_t>(scales[i / 16]);
    out[i] = d * static_cast<float>(scale) * static_cast<float>(q);
  }
}

// ggml block_q4_K: d, dmin, 12 bytes of eight 6-bit scales and eight 6-bit minima, then nibbles:
// bytes 32p + k hold element k of sub-blocks 2p (low) and 2p + 1 (high). Both products are exact,
// so their difference rounds once.
void q4_k_block(const std::byte* block, float* out) noexcept {
  const float d = f16_at(block);
  const float dmin = f16_at(block + 2);
  const auto six = [&](int i) { return u8(block[4 + i]); };
  for (int j = 0; j < 8; ++j) {
    const unsigned scale = j < 4 ? six(j) & 63u : (six(j + 4) & 15u) | (six(j - 4) >> 6) << 4;
    const unsigned minimum = j < 4 ? six(j + 4) & 63u : six(j + 4) >> 4 | (six(j) >> 6) << 4;
    const float unit = d * static_cast<float>(scale);
    const float least = dmin * static_cast<float>(minimum);
    for (int k = 0; k < 32; ++k) {
      const unsigned pair = u8(block[16 + j / 2 * 32 + k]);
      *out++ = unit * static_cast<float>(j % 2 == 0 ? pair & 15u : pair >> 4) - least;
    }
  }
}

}  // namespace tern::engine
