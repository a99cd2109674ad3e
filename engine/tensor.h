#pragma once
// Element types and read-only views of tensors inside a model file. A view never owns its bytes: it
// lives as long as the file it came from.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tern::engine {

// Layouts: formats/blocks.h. Numbers are ours; each container maps its own type ids to them.
enum class DType : std::uint8_t {
  kF32,
  kF16,
  kBf16,
  kI8,
  kU8,
  kI16,
  kI32,
  kI64,
  kF64,
  kBool,  // only as raw data (safetensors' packed ternary bytes are kU8)
  kI2S,
  kTq1_0,
  kTq2_0,  // ternary
  kQ8_0,
  kQ4_0,
  kQ6_K,
  kQ4_K,
  kQ5_0,  // block formats
};

std::string_view name(DType type) noexcept;  // "f32", "i2_s", …

struct TensorView {
  std::string name;
  DType type = DType::kF32;
  std::vector<std::int64_t> shape;  // outermost first: (rows, cols) of a matrix; dimensions >= 1,
                                    // but safetensors may also hold empty tensors (a dimension 0)
  std::span<const std::byte> bytes;

  std::int64_t elements() const noexcept {
    std::int64_t n = 1;
    for (const std::int64_t d : shape) n *= d;
    return n;
  }
};

// "i2_s (2560, 2560)", for messages.
std::string describe(const TensorView& tensor);

// A name from a file in single quotes, made fit to print: unprintable bytes as \xNN, cut when too
// long.
std::string quote_name(std::string_view name);

}  // namespace tern::engine
