#include "engine/formats/block_encoders.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/error.h"
#include "engine/formats/blocks.h"
#include "kernels/float16.h"

namespace tern::engine {
namespace {

constexpr int kSubBlock = 16;  // values that share a sub-scale in Q6_K
constexpr int kSubBlocks = 16;

void put_f16(std::uint16_t half, std::byte* out) noexcept {
  out[0] = static_cast<std::byte>(half & 0xff);
  out[1] = static_cast<std::byte>(half >> 8);
}

std::uint16_t scale_f16(DType type, float scale) {
  const std::uint16_t half = kernels::f32_to_f16(scale);
  if (!std::isfinite(kernels::f16_to_f32(half))) {
    throw Error(std::string(name(type)) + " encoder: expected a scale that fits binary16, got " +
                std::to_string(scale));
  }
  return half;
}

float absmax(const float* x, int n) noexcept {
  float most = 0;
  for (int i = 0; i < n; ++i) most = std::max(most, std::fabs(x[i]));
  return most;
}

// Within +-128: std::round is exact on every system.
void q8_0_block(const float* x, std::byte* out) {
  const float d = absmax(x, 32) / 127.0f;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  put_f16(scale_f16(DType::kQ8_0, d), out);
  for (int i = 0; i < 32; ++i) {
    const auto code =
        static_cast<std::int8_t>(std::clamp(std::round(x[i] * inverse), -128.f, 127.f));
    out[2 + i] = static_cast<std::byte>(code);
  }
}

// The sub-scale that gives the value of largest magnitude the code -32.
float q6_k_sub_scale(const float* x) noexcept {
  float extreme = 0;
  for (int i = 0; i < kSubBlock; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  return extreme / -32.0f;
}

// Adding and taking away 1.5 * 2^23 rounds half to even.
int nearest(float x, float low, float high) noexcept {
  const float clamped = std::clamp(x, low, high);
  return static_cast<int>((clamped + 12582912.0f) - 12582912.0f);
}

// Places as in blocks.cpp: ql[128], qh[64], scales[16], d.
void put_q6_k_code(int i, int code, std::byte* out) noexcept {
  const int half = i / 128, g = i % 128 / 32, k = i % 32;
  out[64 * half + k + (g % 2 != 0 ? 32 : 0)] |=
      static_cast<std::byte>((code & 15) << (g < 2 ? 0 : 4));
  out[128 + 32 * half + k] |= static_cast<std::byte>((code >> 4) << (2 * g));
}

void q6_k_block(const float* x, std::byte* out) {
  float sub_scales[kSubBlocks];
  for (int s = 0; s < kSubBlocks; ++s) sub_scales[s] = q6_k_sub_scale(x + kSubBlock * s);
  const std::uint16_t half = scale_f16(DType::kQ6_K, absmax(sub_scales, kSubBlocks) / 127.0f);
  const float d = kernels::f16_to_f32(half);
  std::fill(out, out + 210, std::byte{0});
  put_f16(half, out + 208);
  for (int s = 0; s < kSubBlocks; ++s) {
    const int scale = d != 0 ? nearest(sub_scales[s] / d, -128, 127) : 0;
    out[192 + s] = static_cast<std::byte>(scale);
    const float unit = d * static_cast<float>(scale);
    for (int i = kSubBlock * s; i < kSubBlock * (s + 1); ++i) {
      const int q = unit != 0 ? nearest(x[i] / unit, -32, 31) : 0;
      put_q6_k_code(i, q + 32, out);
    }
  }
}

void check_multiple(DType type, std::size_t size) {
  const auto block = static_cast<std::size_t>(block_elements(type));
  if (size % block != 0) {
    throw Error(std::string(name(type)) + " encoder: expected a multiple of " +
                std::to_string(block) + " values, got " + std::to_string(size));
  }
}

[[noreturn]] void refuse(DType type, const char* expected) {
  throw Error("block encoder: expected " + std::string(expected) + ", got " +
              std::string(name(type)));
}

}  // namespace

void encode_blocks(DType type, std::span<const float> row, std::byte* out) {
  if (type != DType::kQ8_0 && type != DType::kQ6_K) refuse(type, "q8_0 or q6_k");
  check_multiple(type, row.size());
  const auto elements = static_cast<std::size_t>(block_elements(type));
  const bool q8 = type == DType::kQ8_0;
  for (std::size_t i = 0; i < row.size(); i += elements, out += q8 ? 34 : 210) {
    q8 ? q8_0_block(&row[i], out) : q6_k_block(&row[i], out);
  }
}

void encode_block_trits(DType type, std::span<const std::int8_t> trits, float scale,
                        std::byte* out) {
  if (type != DType::kQ8_0 && type != DType::kQ4_0) refuse(type, "q8_0 or q4_0");
  check_multiple(type, trits.size());
  const std::uint16_t d = scale_f16(type, scale);
  for (const std::int8_t* x = trits.data(); x != trits.data() + trits.size(); x += 32) {
    put_f16(d, out);
    out += 2;
    if (type == DType::kQ8_0) {
      for (int i = 0; i < 32; ++i) *out++ = static_cast<std::byte>(x[i]);
    } else {
      for (int i = 0; i < 16; ++i)
        *out++ = static_cast<std::byte>((x[i] + 8) | (x[i + 16] + 8) << 4);
    }
  }
}

}  // namespace tern::engine
