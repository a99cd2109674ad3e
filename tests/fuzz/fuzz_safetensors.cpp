// Any bytes as a safetensors file: they parse or throw Error, and what parses decodes or throws
// Error.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/error.h"
#include "engine/formats/blocks.h"
#include "engine/formats/safetensors.h"

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
  const std::int64_t cols = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (tensor.bytes.empty()) return;  // an empty tensor may claim any number of columns
  std::vector<float> values(static_cast<std::size_t>(cols));
  std::vector<std::int8_t> trits(static_cast<std::size_t>(cols));
  const std::int64_t rows = tensor.elements() / cols;
  for (const std::int64_t row : {std::int64_t{0}, rows - 1, rows, 4 * rows - 1}) {
    tolerate_error([&] { decode_row(tensor, row, values.data()); });
    tolerate_error([&] { decode_hf_packed_trits(tensor, row, trits.data()); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tolerate_error([&] {
    const SafetensorsFile file(std::as_bytes(std::span(data, size)), "input");
    for (const TensorView& tensor : file.tensors()) decode(tensor);
  });
  return 0;
}
