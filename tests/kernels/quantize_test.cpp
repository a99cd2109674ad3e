#include "kernels/quantize/quantize.h"

#include <cfenv>
#include <cmath>
#include <cstring>

#include "kernels/aligned_buffer.h"
#include "kernels/block/block.h"
#include "kernels/ternary/ternary.h"
#include "tests/kernels/float_cases.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

constexpr std::size_t kTail = 64;  // canaries behind the padding

std::size_t padded(std::int64_t n) {
  return static_cast<std::size_t>((n + kQuantizedAlign - 1) / kQuantizedAlign * kQuantizedAlign);
}

struct Quantized {
  std::vector<std::int8_t> q;  // padding included
  std::int32_t sum = -1;
  float scale = -1;
  bool intact = false;
};

Quantized quantize(const QuantizeKernels& row, const std::vector<float>& x) {
  const auto n = static_cast<std::int64_t>(x.size());
  AlignedBuffer<std::int8_t> q(padded(n) + kTail);
  std::memset(q.data(), 0x5b, q.size());
  Quantized result;
  result.scale = row.quantize_row(x.data(), n, q.data(), &result.sum);
  result.q.assign(q.data(), q.data() + padded(n));
  result.intact = true;
  for (std::size_t i = padded(n); i < q.size(); ++i) result.intact &= q[i] == 0x5b;
  return result;
}

TEST_CASE("quantize_row equals the formula and scalar on every row", "[quantize]") {
  REQUIRE(std::fegetround() == FE_TONEAREST);
  for (const KernelTable* table : runnable_tables()) {
    for (const std::int64_t n : kLengths) {
      for (const Kind kind : kKinds) {
        INFO(table->name << ", n " << n << ", kind " << static_cast<int>(kind));
        const auto x = floats(n, kind, 1);
        const Quantized got = quantize(table->quantize, x);
        float absmax = 1e-5f;
        for (const float v : x) absmax = std::fmax(absmax, std::fabs(v));
        const float s = 127.0f / absmax;
        std::int32_t sum = 0;
        std::vector<std::int8_t> expected(padded(n), 0);
        for (std::size_t i = 0; i < x.size(); ++i) {
          const float q = std::fmin(127.0f, std::fmax(-128.0f, std::nearbyint(x[i] * s)));
          expected[i] = static_cast<std::int8_t>(q);
          sum += expected[i];
        }
        CHECK(same_bits(got.scale, s));
        CHECK(got.q == expected);
        CHECK(got.sum == sum);
        CHECK(got.intact);
      }
    }
  }
}

TEST_CASE("ties round to even", "[quantize]") {
  // absmax 127 makes the factor exactly 1: each half-integer is a tie.
  std::vector<float> x = {127.0f};
  std::vector<std::int8_t> expected = {127};
  for (int i = -127; i < 127; ++i) {
    x.push_back(static_cast<float>(i) + 0.5f);
    expected.push_back(static_cast<std::int8_t>(i % 2 == 0 ? i : i + 1));
  }
  expected.resize(padded(static_cast<std::int64_t>(x.size())), 0);
  for (const KernelTable* table : runnable_tables()) {
    INFO(table->name);
    CHECK(quantize(table->quantize, x).q == expected);
    const Quantized half = quantize(table->quantize, {3.0f, 1.5f, -1.5f});
    CHECK(half.q[0] == 127);
    CHECK(half.q[1] == 64);
    CHECK(half.q[2] == -64);
  }
}

TEST_CASE("silence stays silent", "[quantize]") {
  for (const KernelTable* table : runnable_tables()) {
    INFO(table->name);
    const Quantized zeros = quantize(table->quantize, std::vector<float>(100, -0.0f));
    CHECK(same_bits(zeros.scale, 127.0f / 1e-5f));
    CHECK(zeros.q == std::vector<std::int8_t>(128, 0));
    CHECK(zeros.sum == 0);
    // Below the floor of 1e-5 the floor sets the scale.
    const Quantized faint = quantize(table->quantize, {5e-6f, -2e-6f});
    CHECK(same_bits(faint.scale, 127.0f / 1e-5f));
    CHECK(faint.q[0] == 64);  // 63.5, or its neighbour above
    CHECK(faint.q[1] == -25);
    CHECK(faint.sum == 39);
  }
}

TEST_CASE("the largest sums stay exact", "[quantize]") {
  for (const KernelTable* table : runnable_tables()) {
    INFO(table->name);
    CHECK(quantize(table->quantize, std::vector<float>(6912, -8.0f)).sum == -127 * 6912);
    CHECK(quantize(table->quantize, std::vector<float>(6911, 3e38f)).sum == 127 * 6911);
  }
}

struct QuantizedBlocks {
  std::vector<std::int8_t> q;
  std::vector<std::int32_t> sums;
  std::vector<float> scales;
  bool intact = false;
};

QuantizedBlocks quantize_blocks(const QuantizeKernels& row, const std::vector<float>& x) {
  const auto n = static_cast<std::int64_t>(x.size());
  AlignedBuffer<std::int8_t> q(x.size() + kTail);
  std::memset(q.data(), 0x5b, q.size());
  Guarded<std::int32_t> sums(n / 16);
  Guarded<float> scales(n / kQuantBlock);
  row.quantize_blocks(x.data(), n, q.data(), sums.data(), scales.data());
  QuantizedBlocks result{{q.data(), q.data() + n}, sums.values(), scales.values(), true};
  for (std::size_t i = x.size(); i < q.size(); ++i) result.intact &= q[i] == 0x5b;
  result.intact &= sums.intact() && scales.intact();
  return result;
}

TEST_CASE("quantize_blocks equals the formula on every row", "[quantize]") {
  for (const KernelTable* table : runnable_tables()) {
    for (const std::int64_t n : {32, 64, 96, 2560}) {
      for (const Kind kind : kKinds) {
        INFO(table->name << ", n " << n << ", kind " << static_cast<int>(kind));
        const auto x = floats(n, kind, 1);
        const QuantizedBlocks got = quantize_blocks(table->quantize, x);
        CHECK(got.intact);
        for (std::int64_t b = 0; b < n / 32; ++b) {
          const float* block = x.data() + 32 * b;
          float absmax = 0;
          for (int i = 0; i < 32; ++i) absmax = std::fmax(absmax, std::fabs(block[i]));
          const bool zero = absmax < 0x1p-100f;
          CHECK(same_bits(got.scales[static_cast<std::size_t>(b)], zero ? 0.0f : absmax / 127.0f));
          std::int32_t sums[2] = {0, 0};
          for (int i = 0; i < 32; ++i) {
            const float q = zero ? 0.0f : std::nearbyint(block[i] * (127.0f / absmax));
            CHECK(got.q[static_cast<std::size_t>(32 * b + i)] == q);
            sums[i / 16] += static_cast<std::int32_t>(q);
          }
          CHECK(got.sums[static_cast<std::size_t>(2 * b)] == sums[0]);
          CHECK(got.sums[static_cast<std::size_t>(2 * b + 1)] == sums[1]);
        }
      }
    }
  }
}

TEST_CASE("blocks at the ends of binary32 keep their activations in range", "[quantize]") {
  for (const KernelTable* table : runnable_tables()) {
    for (const float largest : {3.4e38f, 0x1p-100f, 0x1.fffffep-101f, 1e-45f}) {
      INFO(table->name << ", largest " << largest);
      std::vector<float> x(32, 0.0f);
      x[3] = largest;
      x[30] = -largest;
      const QuantizedBlocks got = quantize_blocks(table->quantize, x);
      const bool zero = largest < 0x1p-100f;
      CHECK(got.q[3] == (zero ? 0 : 127));
      CHECK(got.q[30] == (zero ? 0 : -127));
      CHECK(got.sums == std::vector<std::int32_t>{zero ? 0 : 127, zero ? 0 : -127});
      CHECK(same_bits(got.scales[0], zero ? 0.0f : largest / 127.0f));
    }
  }
}

}  // namespace
}  // namespace tern::kernels
