#include "kernels/half/half.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "kernels/float16.h"
#include "tests/support/catch.h"
#include "tests/support/guarded_output.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

constexpr std::int64_t kManyTokens = 64;

const HalfType kTypes[] = {HalfType::kF16, HalfType::kBf16, HalfType::kF32};

// a * b + c with one rounding, by another road than fmaf: the product is exact in binary64; the sum
// is rounded to odd there, which makes the second rounding harmless (Boldo and Melquiond,
// "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd", 2008).
float fma_by_odd(float a, float b, float c) {
  const double product = static_cast<double>(a) * b;
  double sum = product + c;
  const double part = sum - product;
  const double error = (product - (sum - part)) + (c - part);  // exact (Knuth's two-sum)
  auto bits = std::bit_cast<std::uint64_t>(sum);
  if (error != 0.0 && (bits & 1) == 0) bits += (error > 0.0) == (sum > 0.0) ? 1 : std::uint64_t(-1);
  return static_cast<float>(std::bit_cast<double>(bits));
}

float to_f32(HalfType type, std::uint32_t bits) {
  const auto half = static_cast<std::uint16_t>(bits);
  if (type == HalfType::kF16) return f16_to_f32(half);
  return type == HalfType::kBf16 ? bf16_to_f32(half) : std::bit_cast<float>(bits);
}

// A binary32 of random sign and mantissa with an exponent in [-range, range]; some zeros and
// subnormals.
std::uint32_t random_f32(std::mt19937& random, int range) {
  const std::uint32_t mantissa = random() & 0x807fffffu;
  if (random() % 16 == 0) return random() % 2 == 0 ? mantissa : mantissa & 0x80000000u;
  const int exponent =
      127 - range + static_cast<int>(random() % static_cast<unsigned>(2 * range + 1));
  return mantissa | static_cast<std::uint32_t>(exponent) << 23;
}

std::uint32_t random_weight(HalfType type, std::mt19937& random) {
  if (type == HalfType::kF32) return random_f32(random, 40);
  if (type == HalfType::kBf16) return random_f32(random, 40) >> 16;
  const std::uint32_t bits = random() & 0xffffu;  // all of binary16, a third of it subnormal
  if (random() % 3 == 0) return bits & 0x83ffu;
  return (bits & 0x7c00u) == 0x7c00u ? bits & 0xbfffu : bits;
}

struct Problem {
  HalfType type;
  std::int64_t rows, cols, tokens, x_stride;
  float scale;
  std::vector<unsigned char> weights;  // (rows, cols) in `type`, one byte off alignment
  std::vector<float> values;           // (rows, cols)
  std::vector<float> x;                // (tokens, x_stride)
  std::vector<float> expected;         // (tokens, rows)
  AlignedBuffer<std::uint8_t> packed;

  HalfMatrix matrix() const { return {packed.data(), type, rows, cols, scale}; }
  std::size_t element() const { return type == HalfType::kF32 ? 4 : 2; }
  const unsigned char* row_weights(std::int64_t row) const {
    return weights.data() + 1 + static_cast<std::size_t>(row * cols) * element();
  }
};

void solve(Problem& p) {
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    for (std::int64_t r = 0; r < p.rows; ++r) {
      float acc = 0.0f;
      for (std::int64_t k = 0; k < p.cols; ++k) {
        acc = fma_by_odd(p.values[r * p.cols + k], p.x[t * p.x_stride + k], acc);
      }
      p.expected[t * p.rows + r] = acc * p.scale;
    }
  }
}

Problem make_problem(HalfType type, std::int64_t rows, std::int64_t cols,
                     std::int64_t tokens = kManyTokens) {
  std::mt19937 random(static_cast<std::uint32_t>(rows * 7919 + cols));
  Problem p{};
  p.type = type;
  p.rows = rows;
  p.cols = cols;
  p.tokens = tokens;
  p.x_stride = cols + 3;
  p.scale = 0.731f;
  p.weights.resize(1 + static_cast<std::size_t>(rows * cols) * p.element());
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    const std::uint32_t bits =
        random_weight(type, random);  // little endian: the low bytes come first
    std::memcpy(p.weights.data() + 1 + static_cast<std::size_t>(i) * p.element(), &bits,
                p.element());
    p.values.push_back(to_f32(type, bits));
  }
  p.x.resize(static_cast<std::size_t>(p.tokens * p.x_stride));
  for (float& value : p.x) value = std::bit_cast<float>(random_f32(random, 40));
  p.expected.resize(static_cast<std::size_t>(p.tokens * rows));
  solve(p);
  return p;
}

// Packs in two calls where there are enough rows, as two threads would.
void pack(Problem& p, const HalfKernels& kernels) {
  p.packed = AlignedBuffer<std::uint8_t>(kernels.packed_bytes(p.type, p.rows, p.cols));
  std::memset(p.packed.data(), 0xff, p.packed.bytes());
  const std::int64_t middle = std::min(p.rows, kernels.row_block);
  kernels.pack(p.type, p.row_weights(0), 0, middle, p.rows, p.cols, p.packed.data());
  if (middle == p.rows) return;
  kernels.pack(p.type, p.row_weights(middle), middle, p.rows, p.rows, p.cols, p.packed.data());
}

bool gemm_agrees(const Problem& p, const HalfKernels& kernels, std::int64_t tokens,
                 std::int64_t begin, std::int64_t end) {
  GuardedOutput out(p.rows, tokens);
  kernels.gemm(p.matrix(), p.x.data(), p.x_stride, tokens, out.y(), out.stride, begin, end);
  return out.holds(p.expected.data(), begin, end);
}

bool gemv_agrees(const Problem& p, const HalfKernels& kernels, std::int64_t token,
                 std::int64_t begin, std::int64_t end) {
  GuardedOutput out(p.rows, 1);
  kernels.gemv(p.matrix(), p.x.data() + token * p.x_stride, out.y(), begin, end);
  return out.holds(p.expected.data() + token * p.rows, begin, end);
}

void check_everywhere(Problem& p, const std::vector<std::int64_t>& token_counts) {
  REQUIRE(
      std::all_of(p.expected.begin(), p.expected.end(), [](float y) { return std::isfinite(y); }));
  for (const KernelTable* table : runnable_tables()) {
    const HalfKernels& kernels = table->half;
    pack(p, kernels);
    INFO(table->name << " type " << static_cast<int>(p.type) << " rows " << p.rows << " cols "
                     << p.cols);
    CHECK(gemv_agrees(p, kernels, 0, 0, p.rows));
    CHECK(gemv_agrees(p, kernels, 5, 0, p.rows));
    for (const std::int64_t tokens : token_counts) {
      INFO("tokens " << tokens);
      CHECK(gemm_agrees(p, kernels, tokens, 0, p.rows));
    }
    for (std::int64_t begin = 0; begin < p.rows; begin += kernels.row_block) {
      const std::int64_t end = std::min(p.rows, begin + kernels.row_block);
      INFO("range " << begin << " to " << end);
      CHECK(gemv_agrees(p, kernels, 1, begin, end));
      CHECK(gemm_agrees(p, kernels, 7, begin, end));
      CHECK(gemm_agrees(p, kernels, 29, begin, end));
    }
  }
}

TEST_CASE("Half kernels equal one correctly rounded chain per output on odd shapes") {
  const std::vector<std::int64_t> rows = {1, 15, 16, 17, 31, 63, 64, 65, 130};
  const std::vector<std::int64_t> cols = {1, 3, 63, 65};
  for (const HalfType type : kTypes) {
    for (const std::int64_t r : rows) {
      for (const std::int64_t c : cols) {
        Problem p = make_problem(type, r, c);
        check_everywhere(p, {1, 2, 3, 4, 5, 6, 7, 12, 13, 23, 24, 25, 27, 29, 32, 33, 64});
      }
    }
  }
}

TEST_CASE("Half kernels equal one correctly rounded chain per output on tall and wide shapes") {
  struct Shape {
    std::int64_t rows, cols;
  };
  for (const HalfType type : kTypes) {
    for (const Shape shape : {Shape{640, 33}, {1000, 5}, {17, 2560}, {1, 6912}}) {
      Problem p = make_problem(type, shape.rows, shape.cols);
      check_everywhere(p, {1, 24, 32, 37});
    }
  }
}

TEST_CASE("Half kernels equal one correctly rounded chain per output across blocks of a batch") {
  for (const HalfType type : kTypes) {
    Problem p = make_problem(type, 67, 530, 560);
    check_everywhere(p, {263, 265, 271, 560});
  }
}

TEST_CASE("Packed half rows unpack to what was packed, the same bytes on every row of the table") {
  for (const HalfType type : kTypes) {
    for (const std::int64_t rows : {1, 64, 100}) {
      for (const std::int64_t cols : {1, 32, 75}) {
        Problem p = make_problem(type, rows, cols);
        pack(p, scalar::kHalf);
        const std::vector<std::uint8_t> bytes(p.packed.data(), p.packed.data() + p.packed.size());
        for (const KernelTable* table : runnable_tables()) {
          INFO(table->name << " rows " << rows << " cols " << cols);
          CHECK(table->half.packed_bytes(type, rows, cols) == bytes.size());
          pack(p, table->half);
          CHECK(std::memcmp(p.packed.data(), bytes.data(), bytes.size()) == 0);
          std::vector<float> row(static_cast<std::size_t>(cols + 1), 99.0f);
          for (std::int64_t r = 0; r < rows; ++r) {
            table->half.unpack_row(p.matrix(), r, row.data());
            CHECK(std::memcmp(row.data(), p.values.data() + r * cols,
                              static_cast<std::size_t>(cols) * sizeof(float)) == 0);
            CHECK(row.back() == 99.0f);
          }
        }
      }
    }
  }
}

TEST_CASE("Half panels put each weight where their description says") {
  // Row 70, column 2 of 3 lies in panel 1 at [k = 2][r = 6].
  std::vector<std::uint16_t> weights(71 * 3, std::uint16_t{0});
  weights[70 * 3 + 2] = 0x3c00;
  AlignedBuffer<std::uint8_t> packed(scalar::kHalf.packed_bytes(HalfType::kF16, 71, 3));
  scalar::kHalf.pack(HalfType::kF16, weights.data(), 0, 71, 71, 3, packed.data());
  REQUIRE(packed.size() == 2 * 3 * 64 * 2);
  for (std::size_t i = 0; i < packed.size() / 2; ++i) {
    std::uint16_t element;
    std::memcpy(&element, packed.data() + 2 * i, sizeof element);
    CHECK(element == (i == 64 * 3 + 2 * 64 + 6 ? 0x3c00 : 0));
  }
}

TEST_CASE("Binary16 conversions agree with the definition on all 65536 patterns") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const int exponent = static_cast<int>(bits >> 10 & 0x1f);
    if (exponent == 0x1f) continue;  // infinities and NaNs are outside the promise
    const auto fraction = static_cast<double>(bits & 0x3ff) / 1024.0;
    const double magnitude =
        exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1.0 + fraction, exponent - 15);
    const float value = f16_to_f32(half);
    if (static_cast<double>(value) != ((bits & 0x8000u) != 0 ? -magnitude : magnitude) ||
        f32_to_f16(value) != half) {
      FAIL("pattern " << bits);
    }
  }
}

TEST_CASE("Half peaks count what they did, in proportion to the rounds") {
  for (const KernelTable* table : runnable_tables()) {
    INFO(table->name);
    const std::int64_t once = table->half.peak(1);
    CHECK(once > 0);
    CHECK(table->half.peak(300) == 300 * once);
    CHECK(table->half.peak(kMaxPeakRounds) == kMaxPeakRounds * once);
  }
}

}  // namespace
}  // namespace tern::kernels
