#include "engine/formats/blocks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>

#include "engine/error.h"
#include "engine/formats/float_blocks.h"
#include "kernels/float16.h"

namespace tern::engine {
namespace {

constexpr std::int64_t kI2sElements = 128;  // 32 bytes of 2-bit codes
constexpr std::int64_t kI2sTailBytes = 32;  // binary32 scale, 28 bytes nobody defined
constexpr std::int64_t kSuperBlock = 256;   // ggml's QK_K

struct BlockLayout {
  std::int64_t elements;
  std::int64_t bytes;
};

// The ggml project's ggml-common.h; I2_S: bitnet.cpp.
BlockLayout layout(DType type) noexcept {
  switch (type) {
    case DType::kF64:
    case DType::kI64:
      return {1, 8};
    case DType::kF32:
    case DType::kI32:
      return {1, 4};
    case DType::kF16:
    case DType::kBf16:
    case DType::kI16:
      return {1, 2};
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return {1, 1};
    case DType::kI2S:
      return {kI2sElements, 32};
    case DType::kTq1_0:
      return {kSuperBlock, 54};
    case DType::kTq2_0:
      return {kSuperBlock, 66};
    case DType::kQ8_0:
      return {32, 34};
    case DType::kQ4_0:
      return {32, 18};
    case DType::kQ6_K:
      return {kSuperBlock, 210};
    case DType::kQ4_K:
      return {kSuperBlock, 144};
    case DType::kQ5_0:
      return {32, 22};
  }
  return {1, 1};
}

[[noreturn]] void fail(const TensorView& tensor, const std::string& expected,
                       const std::string& got) {
  throw Error("tensor " + quote_name(tensor.name) + ", " + describe(tensor) + ": expected " +
              expected + ", got " + got);
}

std::string text(float value) {
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.9g", static_cast<double>(value));
  return buffer.data();
}

void check_bytes(const TensorView& tensor) {
  const std::int64_t expected = tensor_bytes(tensor.type, tensor.shape);
  if (expected < 0) {
    fail(tensor, "a shape of whole blocks of " + std::to_string(block_elements(tensor.type)),
         "another");
  }
  if (static_cast<std::uint64_t>(expected) != tensor.bytes.size()) {
    fail(tensor, std::to_string(expected) + " bytes", std::to_string(tensor.bytes.size()));
  }
}

std::int64_t columns(const TensorView& tensor) {
  return tensor.shape.empty() ? 1 : tensor.shape.back();
}

// All dimensions but the last count as rows. Returns the columns of the row.
std::int64_t check_row(const TensorView& tensor, std::int64_t row,
                       std::int64_t rows_per_stored_row) {
  check_bytes(tensor);
  const std::int64_t cols = columns(tensor);
  const std::int64_t rows = cols == 0 ? 0 : tensor.elements() / cols * rows_per_stored_row;
  if (row < 0 || row >= rows) {
    fail(tensor, "a row below " + std::to_string(rows), "row " + std::to_string(row));
  }
  return cols;
}

std::int8_t trit(unsigned code) noexcept {
  return static_cast<std::int8_t>(static_cast<int>(code) - 1);
}

// Eight bytes of 2-bit codes at once: each a lane of its own, so that their order in memory does
// not matter.
std::uint64_t load_lanes(const std::byte* p) noexcept {
  std::uint64_t lanes;
  std::memcpy(&lanes, p, sizeof lanes);
  return lanes;
}

// Non-zero when one of the 2-bit codes is 3.
std::uint64_t code_three(std::uint64_t lanes) noexcept {
  return lanes & (lanes >> 1) & 0x5555555555555555u;
}

// The trits of the codes at bits `shift` and above of each byte. The top bits keep the subtraction
// of one from borrowing across bytes.
void store_trits(std::uint64_t lanes, unsigned shift, std::int8_t* out) noexcept {
  constexpr std::uint64_t kTop = 0x8080808080808080u;
  const std::uint64_t codes = lanes >> shift & 0x0303030303030303u;
  const std::uint64_t trits = ((codes | kTop) - 0x0101010101010101u) ^ kTop;
  std::memcpy(out, &trits, sizeof trits);
}

// ---- blocks to trits; false when a code is no trit
// --------------------------------------------------

// bitnet.cpp: byte p = c[p] << 6 | c[32+p] << 4 | c[64+p] << 2 | c[96+p].
bool i2s_block(const std::byte* block, std::int8_t* out) noexcept {
  std::uint64_t bad = 0;
  for (int p = 0; p < 32; p += 8) {
    const std::uint64_t lanes = load_lanes(block + p);
    bad |= code_three(lanes);
    for (int group = 0; group < 4; ++group) {
      store_trits(lanes, static_cast<unsigned>(6 - 2 * group), out + 32 * group + p);
    }
  }
  return bad == 0;
}

// ggml block_tq2_0: byte 32j+m holds elements 128j+m+32l at bits 2l.
bool tq2_block(const std::byte* block, std::int8_t* out) noexcept {
  std::uint64_t bad = 0;
  for (int half = 0; half < 2; ++half) {
    for (int m = 0; m < 32; m += 8) {
      const std::uint64_t lanes = load_lanes(block + 32 * half + m);
      bad |= code_three(lanes);
      for (int l = 0; l < 4; ++l) {
        store_trits(lanes, static_cast<unsigned>(2 * l), out + 128 * half + 32 * l + m);
      }
    }
  }
  return bad == 0;
}

// A byte is ceil(q * 256 / 243) of a five-trit number q, so that multiplying it by 3^n modulo 256
// brings trit n to the front and times 3 / 256 reads it. Every byte gives a trit.
std::int8_t tq1_trit(unsigned byte, int n) noexcept {
  constexpr std::array<unsigned, 5> kPow3 = {1, 3, 9, 27, 81};
  return trit(((byte * kPow3[static_cast<std::size_t>(n)] & 0xffu) * 3) >> 8);
}

// ggml block_tq1_0: 32 bytes of elements m+32n, 16 bytes of 160+m+16n, 4 bytes of 240+m+4n (n < 4).
bool tq1_block(const std::byte* block, std::int8_t* out) noexcept {
  struct Part {
    int bytes, trits;
  };
  for (const Part part : {Part{32, 5}, Part{16, 5}, Part{4, 4}}) {
    for (int n = 0; n < part.trits; ++n) {
      for (int m = 0; m < part.bytes; ++m) *out++ = tq1_trit(u8(block[m]), n);
    }
    block += part.bytes;
  }
  return true;
}

// Offset of the binary16 scale, the last field of both layouts.
const std::byte* tq_scale(DType type, const std::byte* block) noexcept {
  return block + layout(type).bytes - 2;
}

bool tq_block(DType type, const std::byte* block, std::int8_t* out) noexcept {
  return type == DType::kTq1_0 ? tq1_block(block, out) : tq2_block(block, out);
}

// ---- rows of ternary tensors
// ------------------------------------------------------------------------

[[noreturn]] void fail_code(const TensorView& tensor, std::int64_t row) {
  fail(tensor, "codes 0, 1 or 2", "code 3 in row " + std::to_string(row));
}

const std::byte* i2s_scale_at(const TensorView& tensor) noexcept {
  return tensor.bytes.data() + tensor.bytes.size() - kI2sTailBytes;
}

// T = int8_t: trits. T = float: trits times the scale. I2_S packs the flat tensor, so a row may
// begin and end inside a block.
template <typename T>
void i2s_row(const TensorView& tensor, std::int64_t row, std::int64_t cols, T unit, T* out) {
  std::array<std::int8_t, kI2sElements> trits{};
  std::int64_t at = row * cols;
  const std::int64_t end = at + cols;
  while (at < end) {
    const std::int64_t block = at / kI2sElements;
    const std::byte* packed = tensor.bytes.data() + block * 32;
    if constexpr (std::is_same_v<T, std::int8_t>) {
      if (at % kI2sElements == 0 && end - at >= kI2sElements) {  // a whole block
        if (!i2s_block(packed, out)) fail_code(tensor, row);
        at += kI2sElements;
        out += kI2sElements;
        continue;
      }
    }
    if (!i2s_block(packed, trits.data())) fail_code(tensor, row);
    const std::int64_t block_end = std::min(end, (block + 1) * kI2sElements);
    for (; at < block_end; ++at) *out++ = static_cast<T>(trits[at % kI2sElements] * unit);
  }
}

template <typename T>
void tq_row(const TensorView& tensor, std::int64_t row, std::int64_t cols, T* out) {
  const std::int64_t bytes = layout(tensor.type).bytes;
  const std::byte* block = tensor.bytes.data() + row * (cols / kSuperBlock) * bytes;
  for (std::int64_t c = 0; c < cols; c += kSuperBlock, block += bytes) {
    if constexpr (std::is_same_v<T, std::int8_t>) {
      if (!tq_block(tensor.type, block, out)) fail_code(tensor, row);
      out += kSuperBlock;
    } else {
      std::array<std::int8_t, kSuperBlock> trits{};
      if (!tq_block(tensor.type, block, trits.data())) fail_code(tensor, row);
      const T unit = f16_at(tq_scale(tensor.type, block));
      for (const std::int8_t t : trits) *out++ = static_cast<T>(t * unit);
    }
  }
}

// ---- rows of other types
// ----------------------------------------------------------------------------

template <typename Decode>
void block_row(const TensorView& tensor, std::int64_t row, std::int64_t cols, float* out,
               Decode decode) {
  const BlockLayout block = layout(tensor.type);
  const std::int64_t blocks = cols / block.elements;
  const std::byte* at = tensor.bytes.data() + row * blocks * block.bytes;
  for (std::int64_t b = 0; b < blocks; ++b) decode(at + b * block.bytes, out + b * block.elements);
}

bool is_ternary(DType type) noexcept {
  return type == DType::kI2S || type == DType::kTq1_0 || type == DType::kTq2_0;
}

// ---- the one scale
// ----------------------------------------------------------------------------------

bool all_zero(DType type, const std::byte* block) noexcept {
  std::array<std::int8_t, kSuperBlock> trits{};
  if (!tq_block(type, block, trits.data())) return false;
  for (const std::int8_t t : trits) {
    if (t != 0) return false;
  }
  return true;
}

void check_finite(const TensorView& tensor, float scale) {
  if (!std::isfinite(scale)) fail(tensor, "a finite scale", text(scale));
}

float tq_scale_of_tensor(const TensorView& tensor) {
  const std::int64_t bytes = layout(tensor.type).bytes;
  const std::int64_t blocks = static_cast<std::int64_t>(tensor.bytes.size()) / bytes;
  float scale = 0;
  std::int64_t scale_block = -1;  // the first block that is not entitled to a 0
  for (std::int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tensor.bytes.data() + b * bytes;
    const float d = f16_at(tq_scale(tensor.type, block));
    check_finite(tensor, d);
    if (scale_block >= 0 && d == scale) continue;
    if (d == 0 && all_zero(tensor.type, block)) continue;
    if (scale_block >= 0) {
      fail(tensor, "the same scale in every block",
           text(scale) + " in block " + std::to_string(scale_block) + " and " + text(d) +
               " in block " + std::to_string(b));
    }
    scale = d;
    scale_block = b;
  }
  return scale;
}

// ---- encoding
// ---------------------------------------------------------------------------------------

void check_trits(std::span<const std::int8_t> trits, std::int64_t multiple, const char* format) {
  if (static_cast<std::int64_t>(trits.size()) % multiple != 0) {
    throw Error(std::string(format) + " encoder: expected a multiple of " +
                std::to_string(multiple) + " trits, got " + std::to_string(trits.size()));
  }
  for (const std::int8_t t : trits) {
    if (t < -1 || t > 1) {
      throw Error(std::string(format) + " encoder: expected trits -1, 0 or 1, got " +
                  std::to_string(t));
    }
  }
}

unsigned code(std::int8_t trit) noexcept { return static_cast<unsigned>(trit + 1); }

}  // namespace

std::int64_t block_elements(DType type) noexcept { return layout(type).elements; }

std::int64_t tensor_bytes(DType type, std::span<const std::int64_t> shape) noexcept {
  const BlockLayout block = layout(type);
  std::int64_t elements = 1;
  for (const std::int64_t d : shape) {
    if (d < 0 || __builtin_mul_overflow(elements, d, &elements)) return -1;
  }
  const std::int64_t whole = type == DType::kI2S ? elements : (shape.empty() ? 1 : shape.back());
  if (whole % block.elements != 0) return -1;
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(elements / block.elements, block.bytes, &bytes)) return -1;
  if (type == DType::kI2S && __builtin_add_overflow(bytes, kI2sTailBytes, &bytes)) return -1;
  return bytes;
}

void decode_row(const TensorView& tensor, std::int64_t row, float* out) {
  const std::int64_t cols = check_row(tensor, row, 1);
  switch (tensor.type) {
    case DType::kF32:
      return block_row(tensor, row, cols, out,
                       [](const std::byte* p, float* x) { *x = f32_at(p); });
    case DType::kF16:
      return block_row(tensor, row, cols, out,
                       [](const std::byte* p, float* x) { *x = f16_at(p); });
    case DType::kBf16:
      return block_row(tensor, row, cols, out, [](const std::byte* p, float* x) {
        *x = kernels::bf16_to_f32(static_cast<std::uint16_t>(u8(p[0]) | (u8(p[1]) << 8)));
      });
    case DType::kQ8_0:
      return block_row(tensor, row, cols, out, q8_0_block);
    case DType::kQ4_0:
      return block_row(tensor, row, cols, out, q4_0_block);
    case DType::kQ6_K:
      return block_row(tensor, row, cols, out, q6_k_block);
    case DType::kQ4_K:
      return block_row(tensor, row, cols, out, q4_k_block);
    case DType::kQ5_0:
      return block_row(tensor, row, cols, out, q5_0_block);
    case DType::kTq1_0:
    case DType::kTq2_0:
      return tq_row(tensor, row, cols, out);
    case DType::kI2S:
      return i2s_row(tensor, row, cols, f32_at(i2s_scale_at(tensor)), out);
    default:
      fail(tensor, "a floating-point or quantised type", std::string(name(tensor.type)));
  }
}

void q5_0_as_q8_0(const TensorView& tensor, std::int64_t row, std::byte* out) {
  if (tensor.type != DType::kQ5_0) fail(tensor, "q5_0", std::string(name(tensor.type)));
  const std::int64_t blocks = check_row(tensor, row, 1) / 32;
  const std::byte* in = tensor.bytes.data() + row * blocks * 22;
  for (std::int64_t b = 0; b < blocks; ++b, in += 22, out += 34) {
    std::memcpy(out, in, 2);  // d
    const auto integers = q5_0_integers(in);
    std::memcpy(out + 2, integers.data(), integers.size());
  }
}

void decode_trits(const TensorView& tensor, std::int64_t row, std::int8_t* out) {
  if (!is_ternary(tensor.type)) fail(tensor, "a ternary type", std::string(name(tensor.type)));
  const std::int64_t cols = check_row(tensor, row, 1);
  if (tensor.type == DType::kI2S) return i2s_row(tensor, row, cols, std::int8_t{1}, out);
  tq_row(tensor, row, cols, out);
}

float ternary_scale(const TensorView& tensor) {
  if (!is_ternary(tensor.type)) fail(tensor, "a ternary type", std::string(name(tensor.type)));
  check_bytes(tensor);
  if (tensor.type != DType::kI2S) return tq_scale_of_tensor(tensor);
  const float scale = f32_at(i2s_scale_at(tensor));
  check_finite(tensor, scale);
  return scale;
}

void decode_hf_packed_trits(const TensorView& tensor, std::int64_t row, std::int8_t* out) {
  if (tensor.type != DType::kU8 || tensor.shape.size() != 2) {
    fail(tensor, "packed trits, u8 (rows/4, cols)", describe(tensor));
  }
  const std::int64_t cols = check_row(tensor, row, 4);
  const std::int64_t quarter = tensor.shape[0];
  const std::byte* packed = tensor.bytes.data() + row % quarter * cols;
  const auto shift = static_cast<unsigned>(2 * (row / quarter));
  unsigned highest = 0;
  for (std::int64_t c = 0; c < cols; ++c) {
    const unsigned value = (u8(packed[c]) >> shift) & 3u;
    highest = std::max(highest, value);
    out[c] = trit(value);
  }
  if (highest == 3) fail_code(tensor, row);
}

void encode_tq2_0(std::span<const std::int8_t> trits, float scale, std::byte* out) {
  check_trits(trits, kSuperBlock, "tq2_0");
  const std::uint16_t half = kernels::f32_to_f16(scale);
  if (!std::isfinite(kernels::f16_to_f32(half))) {
    throw Error("tq2_0 encoder: expected a scale that fits binary16, got " + text(scale));
  }
  for (const std::int8_t* block = trits.data(); block != trits.data() + trits.size();
       block += kSuperBlock) {
    bool any = false;
    for (int byte = 0; byte < 64; ++byte) {
      const std::int8_t* first = block + byte / 32 * 128 + byte % 32;
      unsigned packed = 0;
      for (int l = 0; l < 4; ++l) {
        packed |= code(first[32 * l]) << (2 * l);
        any |= first[32 * l] != 0;
      }
      *out++ = static_cast<std::byte>(packed);
    }
    // As ggml's quantizer does: its scale is the block's largest magnitude, so 0 where all trits
    // are 0.
    const unsigned d = any ? half : 0;
    *out++ = static_cast<std::byte>(d & 0xffu);
    *out++ = static_cast<std::byte>(d >> 8);
  }
}

void encode_i2s_codes(std::span<const std::int8_t> trits, std::byte* out) {
  check_trits(trits, kI2sElements, "i2_s");
  for (const std::int8_t* block = trits.data(); block != trits.data() + trits.size();
       block += kI2sElements) {
    for (int p = 0; p < 32; ++p) {
      *out++ = static_cast<std::byte>(code(block[p]) << 6 | code(block[32 + p]) << 4 |
                                      code(block[64 + p]) << 2 | code(block[96 + p]));
    }
  }
}

void i2s_tail(float scale, std::byte out[32]) noexcept {
  std::memset(out, 0, kI2sTailBytes);
  const auto bits = std::bit_cast<std::uint32_t>(scale);
  for (int i = 0; i < 4; ++i) out[i] = static_cast<std::byte>((bits >> (8 * i)) & 0xffu);
}

}  // namespace tern::engine
