#include "engine/tensor.h"

namespace tern::engine {

std::string_view name(DType type) noexcept {
  switch (type) {
    case DType::kF32:
      return "f32";
    case DType::kF16:
      return "f16";
    case DType::kBf16:
      return "bf16";
    case DType::kI8:
      return "i8";
    case DType::kU8:
      return "u8";
    case DType::kI16:
      return "i16";
    case DType::kI32:
      return "i32";
    case DType::kI64:
      return "i64";
    case DType::kF64:
      return "f64";
    case DType::kBool:
      return "bool";
    case DType::kI2S:
      return "i2_s";
    case DType::kTq1_0:
      return "tq1_0";
    case DType::kTq2_0:
      return "tq2_0";
    case DType::kQ8_0:
      return "q8_0";
    case DType::kQ4_0:
      return "q4_0";
    case DType::kQ6_K:
      return "q6_k";
    case DType::kQ4_K:
      return "q4_k";
    case DType::kQ5_0:
      return "q5_0";
  }
  return "unknown";
}

std::string describe(const TensorView& tensor) {
  std::string text(name(tensor.type));
  text += " (";
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    if (i != 0) text += ", ";
    text += std::to_string(tensor.shape[i]);
  }
  return text + ")";
}

std::string quote_name(std::string_view name) {
  constexpr std::size_t kLongest = 80;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "'";
  for (const char c : name.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += "\\x";
      text += kDigits[byte >> 4];
      text += kDigits[byte & 0xf];
    }
  }
  return text + (name.size() > kLongest ? "…'" : "'");
}

}  // namespace tern::engine
