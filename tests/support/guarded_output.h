#pragma once
// What a kernel of matrix rows writes, with canaries around and between the rows, so that a test
// sees every value written where none belongs.

#include <cstdint>
#include <cstring>
#include <vector>

namespace tern::kernels {

struct GuardedOutput {
  static constexpr std::int64_t kGap = 5;
  static constexpr std::uint32_t kCanary = 0x7fc0dead;  // a NaN no kernel can produce
  std::int64_t rows, tokens, stride;
  std::vector<std::uint32_t> words;

  GuardedOutput(std::int64_t rows_, std::int64_t tokens_)
      : rows(rows_),
        tokens(tokens_),
        stride(rows_ + kGap),
        words(static_cast<std::size_t>(kGap + stride * tokens_), kCanary) {}
  float* y() { return reinterpret_cast<float*>(words.data() + kGap); }

  // Equal to expected (tokens, rows) in rows [begin, end), untouched elsewhere.
  bool holds(const float* expected, std::int64_t begin, std::int64_t end) const {
    std::vector<std::uint32_t> want(words.size(), kCanary);
    for (std::int64_t t = 0; t < tokens; ++t) {
      std::memcpy(want.data() + kGap + t * stride + begin, expected + t * rows + begin,
                  static_cast<std::size_t>(end - begin) * sizeof(float));
    }
    return words == want;
  }
};

}  // namespace tern::kernels
