// From the blocks of a model file to the packed layouts of block.h. Four columns travel as one
// word.

#include <bit>
#include <cstring>

#include "kernels/block/layout.h"

namespace tern::kernels::scalar {
namespace {

static_assert(std::endian::native == std::endian::little, "words of four codes are copied whole");

constexpr std::uint32_t kNibbles = 0x0f0f0f0fu;
constexpr std::uint32_t kPairs = 0x03030303u;

// 32 columns of one row: four unsigned codes a word; the scales as they lie in the file.
struct Block {
  std::uint32_t words[kBlockWords];
  std::uint8_t sub_scales[2];  // Q6_K
  std::uint8_t scale[2];       // binary16
};

std::uint32_t load_word(const std::uint8_t* p) noexcept {
  std::uint32_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// Sources of the layouts: the ggml project's ggml-common.h.

// d, 32 int8.
Block read_q8_0(const std::uint8_t* row, std::int64_t b) noexcept {
  const std::uint8_t* in = row + b * 34;
  Block block{};
  std::memcpy(block.scale, in, 2);
  for (int i = 0; i < kBlockWords; ++i) {
    block.words[i] = load_word(in + 2 + 4 * i) ^ 0x80808080u;
  }
  return block;
}

// d, 16 bytes: column j in the low and column j + 16 in the high nibble.
Block read_q4_0(const std::uint8_t* row, std::int64_t b) noexcept {
  const std::uint8_t* in = row + b * 18;
  Block block{};
  std::memcpy(block.scale, in, 2);
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t pair = load_word(in + 2 + 4 * i);
    block.words[i] = pair & kNibbles;
    block.words[i + 4] = (pair >> 4) & kNibbles;
  }
  return block;
}

// ql[128], qh[64], scales[16], d. Column 32g + k of each half of 128 has its low bits in ql[k] (odd
// g: ql[k + 32]; high nibble from g = 2 on), its top two in qh[k].
Block read_q6_k(const std::uint8_t* row, std::int64_t b) noexcept {
  const std::uint8_t* in = row + b / kSuperBlocks * 210;
  const auto half = b % kSuperBlocks / 4;
  const auto g = static_cast<int>(b % 4);
  const std::uint8_t* low = in + 64 * half + g % 2 * 32;
  const std::uint8_t* high = in + 128 + 32 * half;
  Block block{};
  for (int i = 0; i < kBlockWords; ++i) {
    const std::uint32_t nibbles = (load_word(low + 4 * i) >> (g / 2 * 4)) & kNibbles;
    block.words[i] = nibbles | ((load_word(high + 4 * i) >> (2 * g)) & kPairs) << 4;
  }
  std::memcpy(block.sub_scales, in + 192 + b % kSuperBlocks * 2, 2);
  std::memcpy(block.scale, in + 208, 2);
  return block;
}

void put_word(std::uint8_t* lines, int line, std::int64_t r, std::uint32_t word) noexcept {
  std::memcpy(lines + line * kBlockLine + 4 * r, &word, sizeof word);
}

void put_nibbles(std::uint8_t* lines, std::int64_t r, const Block& block) noexcept {
  for (int i = 0; i < 4; ++i) {
    put_word(lines, i, r, (block.words[i] & kNibbles) | (block.words[i + 4] & kNibbles) << 4);
  }
}

void put_top_bits(std::uint8_t* lines, std::int64_t r, const Block& block) noexcept {
  for (int h = 0; h < 2; ++h) {
    std::uint32_t word = 0;
    for (int j = 0; j < 4; ++j) word |= ((block.words[4 * h + j] >> 4) & kPairs) << (2 * j);
    put_word(lines, 4 + h, r, word);
  }
}

// Block b of row r of a row block.
void put(BlockType type, std::uint8_t* out, std::int64_t cols, std::int64_t r, std::int64_t b,
         const Block& block) noexcept {
  std::uint8_t* lines = out + b * block_code_bytes(type);
  std::uint8_t* scales = out + block_scales_at(type, cols);
  if (type == BlockType::kQ8_0) {
    for (int i = 0; i < kBlockWords; ++i) put_word(lines, i, r, block.words[i]);
  } else {
    put_nibbles(lines, r, block);
  }
  if (type == BlockType::kQ6_K) {
    put_top_bits(lines, r, block);
    scales += b / kSuperBlocks * kSuperScaleBytes;
    scales[b % kSuperBlocks * kScaleBytes + r] = block.sub_scales[0];
    scales[b % kSuperBlocks * kScaleBytes + kBlockRows + r] = block.sub_scales[1];
    std::memcpy(scales + kSuperBlocks * kScaleBytes + 2 * r, block.scale, 2);
  } else {
    std::memcpy(scales + b * kScaleBytes + 2 * r, block.scale, 2);
  }
}

std::int64_t file_row_bytes(BlockType type, std::int64_t cols) noexcept {
  if (type == BlockType::kQ6_K) return cols / kSuperCols * 210;
  return cols / kQuantBlock * (type == BlockType::kQ8_0 ? 34 : 18);
}

}  // namespace

std::size_t block_packed_bytes(BlockType type, std::int64_t rows, std::int64_t cols) noexcept {
  const std::int64_t row_blocks = (rows + kBlockRows - 1) / kBlockRows;
  return static_cast<std::size_t>(row_blocks * block_row_block_bytes(type, cols));
}

void block_pack(BlockType type, const void* blocks, std::int64_t begin, std::int64_t end,
                std::int64_t rows, std::int64_t cols, std::uint8_t* packed) noexcept {
  const auto read = type == BlockType::kQ8_0   ? read_q8_0
                    : type == BlockType::kQ4_0 ? read_q4_0
                                               : read_q6_k;
  const auto* in = static_cast<const std::uint8_t*>(blocks);
  const std::int64_t row_bytes = file_row_bytes(type, cols);
  const std::int64_t block_bytes = block_row_block_bytes(type, cols);
  for (std::int64_t row = begin; row < end; row += kBlockRows) {
    std::uint8_t* out = packed + row / kBlockRows * block_bytes;
    std::memset(out, 0, static_cast<std::size_t>(block_bytes));
    for (std::int64_t r = 0; r < kBlockRows && row + r < rows; ++r) {
      const std::uint8_t* from = in + (row + r - begin) * row_bytes;
      for (std::int64_t b = 0; b < cols / kQuantBlock; ++b) {
        put(type, out, cols, r, b, read(from, b));
      }
    }
  }
}

}  // namespace tern::kernels::scalar
