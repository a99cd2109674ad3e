// Any bytes as a GGUF file: they parse or throw Error, and what parses decodes or throws Error.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/error.h"
#include "engine/formats/blocks.h"
#include "engine/formats/gguf.h"

using namespace tern::engine;

namespace {

template <typename Action>
void tolerate_error(Action action) {
  try {
    action();
  } catch (const Error&) {
  }
}

void decode(const TensorView& tensor) {
  const std::int64_t cols = tensor.shape.back();
  const std::int64_t rows = tensor.elements() / cols;
  std::vector<float> values(static_cast<std::size_t>(cols));
  std::vector<std::int8_t> trits(static_cast<std::size_t>(cols));
  for (const std::int64_t row : {std::int64_t{0}, rows / 2, rows - 1, rows}) {
    tolerate_error([&] { decode_row(tensor, row, values.data()); });
    tolerate_error([&] { decode_trits(tensor, row, trits.data()); });
  }
  tolerate_error([&] { ternary_scale(tensor); });
}

void look_up(const GgufFile& file) {
  for (const auto& [key, value] : file.metadata()) {
    tolerate_error([&] { file.integer(key); });
    tolerate_error([&] { file.number(key); });
    tolerate_error([&] { file.string(key); });
    tolerate_error([&] { file.boolean(key); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tolerate_error([&] {
    const GgufFile file(std::as_bytes(std::span(data, size)), "input");
    look_up(file);
    for (const TensorView& tensor : file.tensors()) decode(tensor);
  });
  return 0;
}
