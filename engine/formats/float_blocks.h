#pragma once
// One block of each of ggml's quantised float types to binary32, by its defining formula. Layouts:
// the ggml project's ggml-common.h. Blocks may lie at any address. No checks: see blocks.h.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/float16.h"

namespace tern::engine {

inline unsigned u8(std::byte b) noexcept { return std::to_integer<unsigned>(b); }

inline float f16_at(const std::byte* p) noexcept {
  return kernels::f16_to_f32(static_cast<std::uint16_t>(u8(p[0]) | (u8(p[1]) << 8)));
}

inline float f32_at(const std::byte* p) noexcept {
  const std::uint32_t bits = u8(p[0]) | (u8(p[1]) << 8) | (u8(p[2]) << 16) | (u8(p[3]) << 24);
  return std::bit_cast<float>(bits);
}

// 32 values from 34, 18 and 22 bytes.
void q8_0_block(const std::byte* block, float* out) noexcept;
void q4_0_block(const std::byte* block, float* out) noexcept;
void q5_0_block(const std::byte* block, float* out) noexcept;

// 256 values from 210 and 144 bytes.
void q6_k_block(const std::byte* block, float* out) noexcept;
void q4_k_block(const std::byte* block, float* out) noexcept;

// What a block of Q5_0 multiplies its scale by, in [-16, 15].
std::array<std::int8_t, 32> q5_0_integers(const std::byte* block) noexcept;

}  // namespace tern::engine
