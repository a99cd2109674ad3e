#pragma once
// Numbers of the GGUF format that its reader and its writer share. Sources: the ggml project's
// docs/gguf.md and ggml.h; I2_S (36), TL1 and TL2: bitnet.cpp; 134 and up: ik_llama.cpp.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/tensor.h"

namespace tern::engine::gguf {

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr std::string_view kAlignmentKey = "general.alignment";
inline constexpr std::uint64_t kDefaultAlignment = 32;
inline constexpr std::uint64_t kMaxDimensions = 4;

enum class ValueType : std::uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

struct TensorType {
  std::uint32_t id;
  std::string_view name;      // as ggml writes it
  std::optional<DType> type;  // nullopt: known, but not supported
};

inline constexpr TensorType kTensorTypes[] = {
    {0, "f32", DType::kF32},
    {1, "f16", DType::kF16},
    {2, "q4_0", DType::kQ4_0},
    {3, "q4_1", std::nullopt},
    {6, "q5_0", DType::kQ5_0},
    {7, "q5_1", std::nullopt},
    {8, "q8_0", DType::kQ8_0},
    {9, "q8_1", std::nullopt},
    {10, "q2_K", std::nullopt},
    {11, "q3_K", std::nullopt},
    {12, "q4_K", DType::kQ4_K},
    {13, "q5_K", std::nullopt},
    {14, "q6_K", DType::kQ6_K},
    {15, "q8_K", std::nullopt},
    {16, "iq2_xxs", std::nullopt},
    {17, "iq2_xs", std::nullopt},
    {18, "iq3_xxs", std::nullopt},
    {19, "iq1_s", std::nullopt},
    {20, "iq4_nl", std::nullopt},
    {21, "iq3_s", std::nullopt},
    {22, "iq2_s", std::nullopt},
    {23, "iq4_xs", std::nullopt},
    {24, "i8", std::nullopt},
    {25, "i16", std::nullopt},
    {26, "i32", std::nullopt},
    {27, "i64", std::nullopt},
    {28, "f64", std::nullopt},
    {29, "iq1_m", std::nullopt},
    {30, "bf16", DType::kBf16},
    {31, "q4_0_4_4", std::nullopt},
    {32, "q4_0_4_8", std::nullopt},
    {33, "q4_0_8_8", std::nullopt},
    {34, "tq1_0", DType::kTq1_0},
    {35, "tq2_0", DType::kTq2_0},
    {36, "i2_s", DType::kI2S},
    {37, "iq4_nl_4_8", std::nullopt},
    {38, "tl1", std::nullopt},
    {39, "tl2 or mxfp4", std::nullopt},  // the two forks gave one number to two layouts
    {134, "iq1_bn", std::nullopt},
    {135, "iq2_bn", std::nullopt},
    {137, "iq2_k", std::nullopt},
    {138, "iq3_k", std::nullopt},
    {139, "iq4_k", std::nullopt},
};

// nullptr when nobody we know uses that id.
constexpr const TensorType* tensor_type(std::uint32_t id) noexcept {
  for (const TensorType& known : kTensorTypes) {
    if (known.id == id) return &known;
  }
  return nullptr;
}

// nullptr when GGUF has no such type.
constexpr const TensorType* tensor_type(DType type) noexcept {
  for (const TensorType& known : kTensorTypes) {
    if (known.type == type) return &known;
  }
  return nullptr;
}

constexpr std::uint64_t align_up(std::uint64_t at, std::uint64_t alignment) noexcept {
  return (at + alignment - 1) / alignment * alignment;
}

}  // namespace tern::engine::gguf
