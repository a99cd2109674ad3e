#include "kernels/block/block.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "kernels/float16.h"
#include "tests/support/catch.h"
#include "tests/support/guarded_output.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

constexpr std::int64_t kMaxTokens = 100;

constexpr BlockType kTypes[] = {BlockType::kQ8_0, BlockType::kQ4_0, BlockType::kQ6_K};

const char* name(BlockType type) {
  return type == BlockType::kQ8_0 ? "q8_0" : type == BlockType::kQ4_0 ? "q4_0" : "q6_k";
}

std::int64_t file_block_cols(BlockType type) { return type == BlockType::kQ6_K ? 256 : 32; }
std::int64_t file_block_bytes(BlockType type) {
  return type == BlockType::kQ8_0 ? 34 : type == BlockType::kQ4_0 ? 18 : 210;
}

// Codes and scales all at one end of their range, or anything.
enum class Fill { kRandom, kLowest, kHighest };

// The binary16 scales of a matrix: any finite one, or one value throughout.
constexpr int kAnyScale = -1;

struct Weights {
  BlockType type;
  std::int64_t rows, cols;
  std::vector<std::uint8_t> file;  // rows of blocks as a model file has them
  std::vector<int> w;              // (rows, cols): codes less their offset
  std::vector<int> sub;            // (rows, cols / 16): sub-scales, 1 without
  std::vector<float> d;            // (rows, cols / 32)
};

// The formulas of ggml's dequantisation, one element at a time.
void decode(Weights& m) {
  const std::int64_t per = file_block_cols(m.type);
  for (std::int64_t i = 0; i < m.rows * m.cols; ++i) {
    const std::uint8_t* p = m.file.data() + i / per * file_block_bytes(m.type);
    const auto k = static_cast<int>(i % per);
    const std::uint8_t* scale = m.type == BlockType::kQ6_K ? p + 208 : p;
    if (m.type == BlockType::kQ8_0) {
      m.w.push_back(static_cast<std::int8_t>(p[2 + k]));
    } else if (m.type == BlockType::kQ4_0) {
      m.w.push_back((k < 16 ? p[2 + k] & 15 : p[2 + k - 16] >> 4) - 8);
    } else {
      const int half = k / 128, g = k % 128 / 32, l = k % 32;
      const int low = p[64 * half + l + (g % 2 != 0 ? 32 : 0)];
      const int high = (p[128 + 32 * half + l] >> (2 * g)) & 3;
      m.w.push_back(((g < 2 ? low & 15 : low >> 4) | high << 4) - 32);
    }
    if (k % 16 == 0) {
      m.sub.push_back(m.type == BlockType::kQ6_K ? static_cast<std::int8_t>(p[192 + k / 16]) : 1);
    }
    if (k % 32 == 0) {
      m.d.push_back(f16_to_f32(static_cast<std::uint16_t>(scale[0] | scale[1] << 8)));
    }
  }
}

Weights make_weights(BlockType type, std::int64_t rows, std::int64_t cols, Fill fill, int scale) {
  std::mt19937 random(static_cast<std::uint32_t>(rows * 7919 + cols));
  const std::int64_t size = file_block_bytes(type);
  Weights m{type, rows, cols, {}, {}, {}, {}};
  m.file.resize(static_cast<std::size_t>(rows * cols / file_block_cols(type) * size));
  for (std::size_t at = 0; at < m.file.size(); at += static_cast<std::size_t>(size)) {
    std::uint8_t* p = m.file.data() + at;
    for (std::int64_t i = 0; i < size; ++i) {
      const bool q8 = type == BlockType::kQ8_0;
      p[i] = fill == Fill::kRandom   ? static_cast<std::uint8_t>(random())
             : fill == Fill::kLowest ? (q8 ? 0x80 : 0x00)
                                     : (q8 ? 0x7f : 0xff);
    }
    if (type == BlockType::kQ6_K && fill != Fill::kRandom) {
      std::memset(p + 192, fill == Fill::kLowest ? 0x80 : 0x7f, 16);
    }
    // Any sign and exponent but infinity's.
    auto bits = static_cast<std::uint16_t>(scale == kAnyScale ? random() & 0xffff : scale);
    if ((bits & 0x7c00) == 0x7c00) bits ^= 0x4000;
    std::memcpy(p + (type == BlockType::kQ6_K ? 208 : 0), &bits, 2);
  }
  decode(m);
  return m;
}

struct Activations {
  std::int64_t stride;
  AlignedBuffer<std::int8_t> q;    // (kMaxTokens, stride)
  std::vector<std::int32_t> sums;  // (kMaxTokens, stride / 16)
  std::vector<float> scales;       // (kMaxTokens, stride / 32)

  BlockBatch batch(std::int64_t first, std::int64_t tokens) const {
    return {q.data() + first * stride, sums.data() + first * (stride / 16),
            scales.data() + first * (stride / 32), stride, tokens};
  }
};

Activations make_activations(std::int64_t cols, Fill fill) {
  std::mt19937 random(static_cast<std::uint32_t>(cols));
  const std::int64_t stride = (cols + 63) / 64 * 64;
  const auto count = static_cast<std::size_t>(kMaxTokens * stride);
  Activations x{stride, AlignedBuffer<std::int8_t>(count), std::vector<std::int32_t>(count / 16),
                std::vector<float>(count / 32)};
  for (std::size_t i = 0; i < count; ++i) {
    const bool zero_block = i / 32 % 7 == 3;
    const int value = fill == Fill::kLowest    ? -127
                      : fill == Fill::kHighest ? 127
                                               : static_cast<int>(random() % 255) - 127;
    x.q[i] = static_cast<std::int8_t>(zero_block ? 0 : value);
    x.sums[i / 16] += x.q[i];
    if (i % 32 == 0) x.scales[i / 32] = zero_block ? 0.0f : 3.0f / static_cast<float>(1 + i % 977);
  }
  return x;
}

// block.h, from the weights as the file has them. (kMaxTokens, rows), or fewer tokens.
std::vector<float> solve(const Weights& m, const Activations& x, std::int64_t tokens, float scale) {
  std::vector<float> y;
  for (std::int64_t t = 0; t < tokens; ++t) {
    for (std::int64_t r = 0; r < m.rows; ++r) {
      float acc = 0.0f;
      for (std::int64_t b = 0; b < m.cols / 32; ++b) {
        std::int64_t isum = 0;
        for (std::int64_t k = 32 * b; k < 32 * b + 32; ++k) {
          const auto at = static_cast<std::size_t>(r * m.cols + k);
          isum += std::int64_t{m.sub[at / 16]} * m.w[at] *
                  x.q[static_cast<std::size_t>(t * x.stride + k)];
        }
        const float d = m.d[static_cast<std::size_t>(r * m.cols / 32 + b)];
        const float a = x.scales[static_cast<std::size_t>(t * (x.stride / 32) + b)];
        acc = std::fma(static_cast<float>(static_cast<std::int32_t>(isum)), d * a, acc);
      }
      y.push_back(acc * scale);
    }
  }
  return y;
}

// Packs in two calls where there are enough rows, as two threads would.
AlignedBuffer<std::uint8_t> pack(const Weights& m, const BlockKernels& kernels) {
  AlignedBuffer<std::uint8_t> packed(kernels.packed_bytes(m.type, m.rows, m.cols));
  std::memset(packed.data(), 0xff, packed.bytes());
  const std::int64_t row_bytes = m.cols / file_block_cols(m.type) * file_block_bytes(m.type);
  const std::int64_t middle = std::min(m.rows, kernels.row_block);
  kernels.pack(m.type, m.file.data(), 0, middle, m.rows, m.cols, packed.data());
  if (middle < m.rows) {
    kernels.pack(m.type, m.file.data() + middle * row_bytes, middle, m.rows, m.rows, m.cols,
                 packed.data());
  }
  return packed;
}

void check_everywhere(const Weights& m, const Activations& x,
                      const std::vector<std::int64_t>& token_counts) {
  constexpr float kScale = 0.37f;
  const std::int64_t most =
      std::max<std::int64_t>(7, *std::max_element(token_counts.begin(), token_counts.end()));
  const std::vector<float> expected = solve(m, x, most, kScale);
  for (const KernelTable* table : runnable_tables()) {
    const BlockKernels& kernels = table->block;
    const auto packed = pack(m, kernels);
    const BlockMatrix w{packed.data(), m.type, m.rows, m.cols, kScale};
    const auto gemv_agrees = [&](std::int64_t token, std::int64_t begin, std::int64_t end) {
      GuardedOutput out(m.rows, 1);
      kernels.gemv(w, x.batch(token, 1), out.y(), begin, end);
      return out.holds(expected.data() + token * m.rows, begin, end);
    };
    const auto gemm_agrees = [&](std::int64_t tokens, std::int64_t begin, std::int64_t end) {
      GuardedOutput out(m.rows, tokens);
      kernels.gemm(w, x.batch(0, tokens), out.y(), out.stride, begin, end);
      return out.holds(expected.data(), begin, end);
    };
    INFO(table->name << " " << name(m.type) << " rows " << m.rows << " cols " << m.cols);
    CHECK(gemv_agrees(0, 0, m.rows));
    CHECK(gemv_agrees(5, 0, m.rows));
    for (const std::int64_t tokens : token_counts) {
      INFO("tokens " << tokens);
      CHECK(gemm_agrees(tokens, 0, m.rows));
    }
    for (std::int64_t begin = 0; begin < m.rows; begin += 3 * kernels.row_block) {
      const std::int64_t end = std::min(m.rows, begin + 3 * kernels.row_block);
      INFO("range " << begin << " to " << end);
      CHECK(gemv_agrees(1, begin, end));
      CHECK(gemm_agrees(7, begin, end));
    }
  }
}

TEST_CASE("Block kernels equal the written arithmetic on odd shapes", "[block]") {
  for (const BlockType type : kTypes) {
    const std::int64_t unit = file_block_cols(type);
    for (const std::int64_t rows : {1, 15, 17, 50, 80}) {
      for (const std::int64_t cols : {unit, 3 * unit}) {
        const Weights m = make_weights(type, rows, cols, Fill::kRandom, kAnyScale);
        check_everywhere(m, make_activations(cols, Fill::kRandom), {1, 2, 5, 13});
      }
    }
  }
}

TEST_CASE("Block kernels equal the written arithmetic in every tile of tokens", "[block]") {
  for (const BlockType type : kTypes) {
    // Wider than the columns any kernel works on at a time.
    const std::int64_t cols = type == BlockType::kQ6_K ? 1280 : 1056;
    const Weights m = make_weights(type, 33, cols, Fill::kRandom, kAnyScale);
    check_everywhere(m, make_activations(cols, Fill::kRandom), {3, 4, 8, 9, 12, 24, 97, 100});
  }
}

TEST_CASE("Block kernels do not saturate on extreme codes, activations and scales", "[block]") {
  for (const BlockType type : kTypes) {
    for (const Fill codes : {Fill::kLowest, Fill::kHighest}) {
      for (const Fill activations : {Fill::kLowest, Fill::kHighest}) {
        // The largest, the smallest normal, the smallest subnormal and no scale.
        for (const int scale : {0x7bff, 0x0400, 0x8001, 0x0000}) {
          const Weights m = make_weights(type, 17, 512, codes, scale);
          check_everywhere(m, make_activations(512, activations), {1, 4, 12});
        }
      }
    }
  }
}

TEST_CASE("Packed blocks are the same bytes on every row and unpack to the defining formula",
          "[block]") {
  for (const BlockType type : kTypes) {
    const std::int64_t cols = 2 * file_block_cols(type);
    const Weights m = make_weights(type, 37, cols, Fill::kRandom, kAnyScale);
    const auto expected = pack(m, scalar::kBlock);
    for (const KernelTable* table : runnable_tables()) {
      INFO(table->name << " " << name(type));
      const auto packed = pack(m, table->block);
      REQUIRE(packed.size() == expected.size());
      CHECK(std::memcmp(packed.data(), expected.data(), packed.size()) == 0);
      std::vector<float> row(static_cast<std::size_t>(cols + 1), 99.0f);
      for (std::int64_t r = 0; r < m.rows; ++r) {
        table->block.unpack_row({packed.data(), type, m.rows, cols, 1.0f}, r, row.data());
        for (std::int64_t k = 0; k < cols; ++k) {
          const auto at = static_cast<std::size_t>(r * cols + k);
          const float unit = m.d[at / 32] * static_cast<float>(m.sub[at / 16]);
          CHECK(row[static_cast<std::size_t>(k)] == unit * static_cast<float>(m.w[at]));
        }
        CHECK(row.back() == 99.0f);
      }
    }
  }
}

TEST_CASE("Packed blocks take the bytes of the file, up to whole lines", "[block]") {
  for (const BlockType type : kTypes) {
    const std::int64_t file_bytes = 2560 / file_block_cols(type) * file_block_bytes(type);
    const auto packed = static_cast<std::int64_t>(scalar::kBlock.packed_bytes(type, 48, 2560));
    INFO(name(type));
    CHECK(packed >= 48 * file_bytes);
    CHECK(packed < 48 * file_bytes + 3 * 64);
  }
}

}  // namespace
}  // namespace tern::kernels
