#include "kernels/quantize/quantize.h"

#include <cfenv>
#include <cmath>
#include <cstring>

#include "kernels/aligned_buffer.h"
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

}  // namespace
}  // namespace tern::kernels
