#include "kernels/vector/vector.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "kernels/aligned_buffer.h"
#include "kernels/float16.h"
#include "tests/kernels/float_cases.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

constexpr double kHalfUlp = 0x1p-24;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Calls body(row, n, kind, where) for every runnable row, length and kind of input.
template <class Body>
void for_each_case(Body body) {
  for (const KernelTable* table : runnable_tables()) {
    for (const std::int64_t n : kLengths) {
      for (const Kind kind : kKinds) {
        const std::string where = std::string(table->name) + ", n " + std::to_string(n) +
                                  ", kind " + std::to_string(static_cast<int>(kind));
        body(table->vector, n, kind, where);
      }
    }
  }
}

TEST_CASE("rms_norm equals scalar on every row, in place too", "[vector]") {
  for_each_case([](const VectorKernels& row, std::int64_t n, Kind kind, const std::string& where) {
    INFO(where);
    const auto w = floats(n, Kind::kNormal, 7);
    for (const float eps : {1e-5f, 1e-12f}) {
      Guarded<float> expected(n);
      Guarded<float> x(floats(n, kind, 1));
      Guarded<float> out(n);
      scalar::kVector.rms_norm(x.data(), w.data(), n, eps, expected.data());
      row.rms_norm(x.data(), w.data(), n, eps, out.data());
      CHECK(same_bits(out.values(), expected.values()));
      CHECK(out.intact());
      row.rms_norm(x.data(), w.data(), n, eps, x.data());
      CHECK(same_bits(x.values(), expected.values()));
      CHECK(x.intact());
    }
  });
}

TEST_CASE("rms_norm agrees with binary64", "[vector]") {
  for (const std::int64_t n : kLengths) {
    INFO("n " << n);
    const auto x = floats(n, Kind::kNormal, 2);
    const auto w = floats(n, Kind::kNormal, 3);
    std::vector<float> out(x.size());
    scalar::kVector.rms_norm(x.data(), w.data(), n, 1e-5f, out.data());
    double squares = 0;
    for (const float v : x) squares += static_cast<double>(v) * v;
    const double r = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
    // One rounding per term of a lane, the tree, and a handful behind it.
    const double tolerance = (static_cast<double>(n) / 16 + 16) * kHalfUlp;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = x[i] * r * w[i];
      CHECK(std::fabs(out[i] - expected) <= tolerance * std::fabs(expected));
    }
  }
}

// 2^24 + 1 rounds back to 2^24, so this sum tells one order of additions from another. The negative
// eps takes the large part away again: out[0] = 4096 / sqrt(1 + (what is left above 2^24) / 16).
TEST_CASE("the reduction order is the one of the contract", "[vector]") {
  const auto first_output = [](const VectorKernels& row, const std::vector<int>& ones) {
    std::vector<float> x(32, 0.0f);
    for (const int i : ones) x[static_cast<std::size_t>(i)] = 1.0f;
    x[0] = 4096.0f;
    const std::vector<float> w(32, 1.0f);
    row.rms_norm(x.data(), w.data(), 32, 1.0f - 0x1p19f, x.data());
    return x[0];
  };
  const float two_left = 4096.0f * (1.0f / std::sqrt(1.0625f));
  for (const KernelTable* table : runnable_tables()) {
    INFO(table->name);
    // Each joins lane 0 alone, one per level of the tree, and is lost.
    CHECK(same_bits(first_output(table->vector, {8, 4, 2, 1}), 4096.0f));
    // A second element of lane 0 is lost at once.
    CHECK(same_bits(first_output(table->vector, {16}), 4096.0f));
    // These meet before they join lane 0, within a lane or at each level of the tree, and survive.
    for (const auto& pair : {std::vector<int>{8, 24}, {1, 9}, {2, 6}, {1, 3}, {12, 4}}) {
      CHECK(same_bits(first_output(table->vector, pair), two_left));
    }
  }
}

TEST_CASE("both rotations equal scalar on every row", "[vector]") {
  for_each_case(
      [](const VectorKernels& row, std::int64_t half, Kind kind, const std::string& where) {
        if (half > 257) return;
        INFO(where);
        const auto cos_sin = floats(2 * half, Kind::kNormal, 5);
        const auto values = floats(2 * half, kind, 4);
        Guarded<float> x(values);
        Guarded<float> expected(values);
        row.rope_half(x.data(), cos_sin.data(), 2 * half);
        scalar::kVector.rope_half(expected.data(), cos_sin.data(), 2 * half);
        CHECK(same_bits(x.values(), expected.values()));
        CHECK(x.intact());

        Guarded<float> y(values);
        Guarded<float> expected_y(values);
        row.rope_interleaved(y.data(), cos_sin.data(), 2 * half);
        scalar::kVector.rope_interleaved(expected_y.data(), cos_sin.data(), 2 * half);
        CHECK(same_bits(y.values(), expected_y.values()));
        CHECK(y.intact());
      });
}

TEST_CASE("rotations rotate the right pairs, each product rounded", "[vector]") {
  constexpr std::int64_t kHalf = 37;
  const auto x = floats(2 * kHalf, Kind::kNormal, 8);
  const auto cos_sin = floats(2 * kHalf, Kind::kNormal, 9);
  auto split = x;
  auto paired = x;
  scalar::kVector.rope_half(split.data(), cos_sin.data(), 2 * kHalf);
  scalar::kVector.rope_interleaved(paired.data(), cos_sin.data(), 2 * kHalf);
  const auto rotated = [](float a, float b, float c, float s, float* a2, float* b2) {
    // Products rounded to binary32 through binary64, where they are exact: contraction cannot creep
    // in.
    const auto product = [](float u, float v) {
      return static_cast<float>(static_cast<double>(u) * v);
    };
    *a2 = product(a, c) - product(b, s);
    *b2 = product(a, s) + product(b, c);
  };
  for (std::size_t i = 0; i < kHalf; ++i) {
    float a = 0;
    float b = 0;
    rotated(x[i], x[i + kHalf], cos_sin[i], cos_sin[i + kHalf], &a, &b);
    CHECK(same_bits(split[i], a));
    CHECK(same_bits(split[i + kHalf], b));
    rotated(x[2 * i], x[2 * i + 1], cos_sin[i], cos_sin[i + kHalf], &a, &b);
    CHECK(same_bits(paired[2 * i], a));
    CHECK(same_bits(paired[2 * i + 1], b));
  }
}

// Runs a gate function out of place, over its gate, and over its other input.
template <class Function>
void check_gated(Function function, Function oracle, std::int64_t n, Kind kind) {
  const auto gate = floats(n, kind, 10);
  const auto up = floats(n, Kind::kNormal, 11);
  Guarded<float> expected(n);
  oracle(gate.data(), up.data(), n, expected.data());
  Guarded<float> out(n);
  function(gate.data(), up.data(), n, out.data());
  CHECK(same_bits(out.values(), expected.values()));
  CHECK(out.intact());
  Guarded<float> over_gate(gate);
  function(over_gate.data(), up.data(), n, over_gate.data());
  CHECK(same_bits(over_gate.values(), expected.values()));
  Guarded<float> over_up(up);
  function(gate.data(), over_up.data(), n, over_up.data());
  CHECK(same_bits(over_up.values(), expected.values()));
  CHECK(over_gate.intact());
  CHECK(over_up.intact());
}

TEST_CASE("the gated activations equal scalar on every row, in place too", "[vector]") {
  for_each_case([](const VectorKernels& row, std::int64_t n, Kind kind, const std::string& where) {
    INFO(where);
    check_gated(row.relu2_mul, scalar::kVector.relu2_mul, n, kind);
    check_gated(row.silu_mul, scalar::kVector.silu_mul, n, kind);
    check_gated(row.gelu_mul, scalar::kVector.gelu_mul, n, kind);
  });
}

TEST_CASE("relu2_mul gives defined zeros", "[vector]") {
  for (const KernelTable* table : runnable_tables()) {
    INFO(table->name);
    const std::vector<float> gate = {-0.0f, 0.0f, -1.0f, 2.0f, -0.0f};
    const std::vector<float> up = {1.0f, -1.0f, -3.0f, -3.0f, -1.0f};
    std::vector<float> out(5);
    table->vector.relu2_mul(gate.data(), up.data(), 5, out.data());
    CHECK(same_bits(out, {0.0f, -0.0f, -0.0f, -12.0f, -0.0f}));
  }
}

TEST_CASE("silu_mul agrees with binary64 and vanishes far left", "[vector]") {
  for (int i = -3000; i <= 3000; ++i) {
    const float gate = static_cast<float>(i) * 0.029f;
    const float up = 1.7f;
    float out = 0;
    scalar::kVector.silu_mul(&gate, &up, 1, &out);
    const double g = gate;
    const double expected = g / (1 + std::exp(-g)) * up;
    CHECK(std::fabs(out - expected) <= 8 * kHalfUlp * std::fabs(expected));
  }
  const float gates[] = {-3e38f, -1000.0f, -88.5f};
  const float ups[] = {1.0f, 1.0f, 1.0f};
  for (const KernelTable* table : runnable_tables()) {
    float out[3];
    table->vector.silu_mul(gates, ups, 3, out);
    for (const float value : out) CHECK(same_bits(value, -0.0f));
  }
}

TEST_CASE("gelu_mul agrees with binary64 and vanishes far left", "[vector]") {
  for (int i = -3000; i <= 3000; ++i) {
    const float gate = static_cast<float>(i) * 0.0029f;
    const float up = 1.7f;
    float out = 0;
    scalar::kVector.gelu_mul(&gate, &up, 1, &out);
    const double g = gate;
    const double u = std::sqrt(2 / 3.141592653589793) * (g + 0.044715 * g * g * g);
    // 0.5 g (1 + tanh u), without the cancellation that it has far left.
    const double expected = g / (1 + std::exp(-2 * u)) * up;
    // The exponent is rounded thrice and its error becomes a relative one.
    CHECK(std::fabs(out - expected) <= (8 + 8 * std::fabs(u)) * kHalfUlp * std::fabs(expected));
    CHECK(std::fabs(expected - 0.5 * g * (1 + std::tanh(u)) * up) < 1e-14);
  }
  const float gates[] = {-3e38f, -1e20f, -1000.0f, 1000.0f, 1e20f, 3e38f};
  const float expected[] = {-0.0f, -0.0f, -0.0f, 1000.0f, 1e20f, 3e38f};
  const float ups[] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
  for (const KernelTable* table : runnable_tables()) {
    INFO(table->name);
    float out[6];
    table->vector.gelu_mul(gates, ups, 6, out);
    for (int i = 0; i < 6; ++i) CHECK(same_bits(out[i], expected[i]));
  }
}

TEST_CASE("sum_exp equals scalar on every row, and binary64", "[vector]") {
  for_each_case([](const VectorKernels& row, std::int64_t n, Kind kind, const std::string& where) {
    INFO(where);
    const auto x = floats(n, kind, 14);
    const float max = n == 0 ? 0 : *std::max_element(x.begin(), x.end());
    CHECK(row.sum_exp(x.data(), n, max) == scalar::kVector.sum_exp(x.data(), n, max));
  });
  std::vector<float> x;
  long double expected = 0;
  for (int i = 0; i < 20000; ++i) {
    x.push_back(-0.04f * static_cast<float>(i));  // to -800: exp_f64 ends before
    if (x.back() > -690) expected += std::exp(static_cast<long double>(x.back()));
  }
  x.push_back(-3e38f);
  for (const KernelTable* table : runnable_tables()) {
    INFO(table->name);
    const double sum = table->vector.sum_exp(x.data(), std::ssize(x), 0);
    CHECK(sum == scalar::kVector.sum_exp(x.data(), std::ssize(x), 0));
    CHECK(std::fabs(sum / static_cast<double>(expected) - 1) < 1e-13);
  }
}

TEST_CASE("add and scale equal scalar on every row", "[vector]") {
  for_each_case([](const VectorKernels& row, std::int64_t n, Kind kind, const std::string& where) {
    INFO(where);
    const auto x = floats(n, kind, 12);
    const auto y = floats(n, kind, 13);
    Guarded<float> sum(x);
    row.add(sum.data(), y.data(), n);
    CHECK(sum.intact());
    Guarded<float> scaled(x);
    row.scale(scaled.data(), 0.3f, n);
    CHECK(scaled.intact());
    std::vector<float> expected_sum;
    std::vector<float> expected_scaled;
    for (std::size_t i = 0; i < x.size(); ++i) {
      expected_sum.push_back(x[i] + y[i]);
      expected_scaled.push_back(x[i] * 0.3f);
    }
    CHECK(same_bits(sum.values(), expected_sum));
    CHECK(same_bits(scaled.values(), expected_scaled));
  });
}

TEST_CASE("softmax equals scalar on every row", "[vector]") {
  for_each_case([](const VectorKernels& row, std::int64_t n, Kind kind, const std::string& where) {
    INFO(where);
    Guarded<float> x(floats(n, kind, 14));
    Guarded<float> expected(floats(n, kind, 14));
    row.softmax(x.data(), n);
    scalar::kVector.softmax(expected.data(), n);
    CHECK(same_bits(x.values(), expected.values()));
    CHECK(x.intact());
  });
}

TEST_CASE("softmax agrees with binary64", "[vector]") {
  for (const std::int64_t n : kLengths) {
    auto x = floats(n, Kind::kNormal, 15);
    for (float& v : x) v *= 10.0f;
    std::vector<double> e;
    double sum = 0;
    for (const float v : x) sum += e.emplace_back(std::exp(static_cast<double>(v)));
    scalar::kVector.softmax(x.data(), n);
    // The rounding of x - max (up to 60) becomes a relative error of exp; then the lanes of the
    // sum.
    const double tolerance = (64 + static_cast<double>(n) / 16 + 16) * kHalfUlp;
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(std::fabs(x[i] - e[i] / sum) <= tolerance * (e[i] / sum));
    }
  }
}

// Every binary16 value, and the binary32 values at and beside the middle between it and the next.
TEST_CASE("to_f16 rounds to nearest even everywhere", "[vector]") {
  std::vector<float> x;
  std::vector<std::uint16_t> expected;
  const auto expect = [&](float value, std::uint32_t half) {
    x.push_back(value);
    expected.push_back(static_cast<std::uint16_t>(half));
    x.push_back(-value);
    expected.push_back(static_cast<std::uint16_t>(half | 0x8000u));
  };
  for (std::uint32_t h = 0; h <= 0x7bff; ++h) {
    const float value = f16_to_f32(static_cast<std::uint16_t>(h));
    const float next = h == 0x7bff ? 65536.0f : f16_to_f32(static_cast<std::uint16_t>(h + 1));
    const float middle = (value + next) / 2;  // exact
    expect(value, h);
    expect(std::nextafter(middle, 0.0f), h);
    expect(middle, h + (h & 1));
    expect(std::nextafter(middle, kInfinity), h + 1);
  }
  expect(std::numeric_limits<float>::denorm_min(), 0);
  expect(std::numeric_limits<float>::max(), 0x7c00);
  expect(1e5f, 0x7c00);
  for (const KernelTable* table : runnable_tables()) {
    INFO(table->name);
    std::vector<std::uint16_t> out(x.size());
    table->vector.to_f16(x.data(), static_cast<std::int64_t>(x.size()), out.data());
    CHECK(out == expected);
  }
}

TEST_CASE("to_f16 respects every length", "[vector]") {
  for_each_case([](const VectorKernels& row, std::int64_t n, Kind kind, const std::string& where) {
    INFO(where);
    const auto x = floats(n, kind, 16);
    Guarded<std::uint16_t> out(n);
    row.to_f16(x.data(), n, out.data());
    std::vector<std::uint16_t> expected;
    for (const float v : x) expected.push_back(f32_to_f16(v));
    CHECK(out.values() == expected);
    CHECK(out.intact());
  });
}

TEST_CASE("all_finite finds one bad element anywhere and looks no further", "[vector]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const KernelTable* table : runnable_tables()) {
    for (const std::int64_t n : {1, 15, 16, 17, 33, 64, 100}) {
      INFO(table->name << ", n " << n);
      auto x = floats(n + 1, Kind::kWide, 17);
      x.back() = nan;  // behind the end
      x[0] = std::numeric_limits<float>::max();
      CHECK(table->vector.all_finite(x.data(), n));
      for (std::size_t i = 0; i + 1 < x.size(); ++i) {
        const float kept = x[i];
        for (const float bad : {nan, kInfinity, -kInfinity}) {
          x[i] = bad;
          CHECK_FALSE(table->vector.all_finite(x.data(), n));
        }
        x[i] = kept;
      }
    }
  }
}

TEST_CASE("stream_read depends on every byte and is the same sum everywhere", "[vector]") {
  AlignedBuffer<std::uint64_t> data(640);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = i * 0x9e3779b97f4a7c15u;
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{256}, std::size_t{1280}, data.bytes()}) {
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < bytes / 8; ++i) expected += data[i];
    for (const KernelTable* table : runnable_tables()) {
      INFO(table->name << ", bytes " << bytes);
      CHECK(table->vector.stream_read(data.data(), bytes) == expected);
      for (std::size_t i = 0; i < bytes / 8; ++i) {
        data[i] ^= std::uint64_t{1} << (i % 64);
        REQUIRE(table->vector.stream_read(data.data(), bytes) != expected);
        data[i] ^= std::uint64_t{1} << (i % 64);
      }
    }
  }
}

}  // namespace
}  // namespace tern::kernels
