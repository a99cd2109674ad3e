#include "kernels/sparse/sparse_half.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "kernels/float16.h"
#include "tests/support/catch.h"
#include "tests/support/row_lists.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

struct Implementation {
  std::string name;
  const SparseHalfKernels& kernels;
};

// Each once.
std::vector<Implementation> implementations() {
  std::vector<Implementation> all;
  for (const KernelTable* table : runnable_tables()) {
    const auto same = [&](const Implementation& one) {
      return &one.kernels == &table->sparse_half;
    };
    if (std::none_of(all.begin(), all.end(), same))
      all.push_back({table->name, table->sparse_half});
  }
  return all;
}

constexpr float kScale = 0.37f;
// Around outputs. A number of their size, because add_rows keeps sums in y: a NaN or a large one
// would survive being added to.
constexpr std::uint32_t kCanary = 0x3f5eadbe;
constexpr std::int64_t kGap = 40;

float to_f32(HalfType type, std::uint16_t bits) {
  return type == HalfType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
}

std::uint16_t half_bits(HalfType type, float value) {
  return type == HalfType::kF16
             ? f32_to_f16(value)
             : static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
}

// One matrix; activations of its columns, for dot_rows, and of its rows, for add_rows.
struct Problem {
  HalfType type;
  std::int64_t rows, cols;
  std::vector<std::uint16_t> weights;  // (rows, cols)
  std::vector<float> x;                // (cols), and a NaN that nobody may read
  std::vector<float> q;                // (rows), the same
  AlignedBuffer<std::uint8_t> packed;

  HalfMatrix matrix() const { return {packed.data(), type, rows, cols, kScale}; }
  float weight(std::int64_t row, std::int64_t col) const {
    return to_f32(type, weights[static_cast<std::size_t>(row * cols + col)]);
  }
};

// Weights of every finite kind, denormals among them; activations of many magnitudes.
Problem make_problem(HalfType type, std::int64_t rows, std::int64_t cols) {
  std::mt19937 random(static_cast<std::uint32_t>(rows * 7919 + cols));
  std::normal_distribution<float> normal;
  Problem p{.type = type,
            .rows = rows,
            .cols = cols,
            .weights = std::vector<std::uint16_t>(static_cast<std::size_t>(rows * cols)),
            .x = std::vector<float>(static_cast<std::size_t>(cols + 1)),
            .q = std::vector<float>(static_cast<std::size_t>(rows + 1)),
            .packed = {}};
  for (std::uint16_t& bits : p.weights) {
    const std::uint32_t kind = random() % 16;
    bits = kind == 0   ? static_cast<std::uint16_t>(random() % 0x400)
           : kind == 1 ? std::uint16_t{0x8000}
                       : half_bits(type, normal(random));
  }
  for (float& v : p.x) v = std::ldexp(normal(random), static_cast<int>(random() % 20) - 10);
  for (float& v : p.q) v = std::ldexp(normal(random), static_cast<int>(random() % 20) - 10);
  p.x.back() = p.q.back() = std::numeric_limits<float>::quiet_NaN();
  return p;
}

// In two calls where there are enough rows, as two threads would.
void pack(Problem& p, const SparseHalfKernels& kernels) {
  p.packed = AlignedBuffer<std::uint8_t>(kernels.packed_bytes(p.rows, p.cols));
  std::memset(p.packed.data(), 0xff, p.packed.bytes());
  const std::int64_t middle = p.rows / 2;
  kernels.pack(p.weights.data(), 0, middle, p.cols, p.packed.data());
  kernels.pack(p.weights.data() + middle * p.cols, middle, p.rows, p.cols, p.packed.data());
}

// Outputs between canaries.
struct Output {
  std::vector<std::uint32_t> words;

  explicit Output(std::int64_t n) : words(static_cast<std::size_t>(n + 2 * kGap), kCanary) {}
  float* y() { return reinterpret_cast<float*>(words.data() + kGap); }
};

bool dots_agree(const Problem& p, const SparseHalfKernels& kernels,
                const std::vector<std::int32_t>& list) {
  Output got(p.rows), want(p.rows);
  kernels.dot_rows(p.matrix(), p.x.data(), list.data(), std::ssize(list), got.y());
  for (const std::int32_t row : list) {
    float sum = 0.0f;
    for (std::int64_t k = 0; k < p.cols; ++k) {
      sum = std::fma(p.weight(row, k), p.x[static_cast<std::size_t>(k)], sum);
    }
    want.y()[row] = sum * kScale;
  }
  return got.words == want.words;
}

bool sums_agree(const Problem& p, const SparseHalfKernels& kernels,
                const std::vector<std::int32_t>& list, std::int64_t begin, std::int64_t end) {
  Output got(p.cols), want(p.cols);
  kernels.add_rows(p.matrix(), p.q.data(), list.data(), std::ssize(list), begin, end, got.y());
  for (std::int64_t c = begin; c < end; ++c) {
    float sum = 0.0f;
    for (const std::int32_t row : list) {
      sum = std::fma(p.weight(row, c), p.q[static_cast<std::size_t>(row)], sum);
    }
    want.y()[c] = sum * kScale;
  }
  return got.words == want.words;
}

void check_everywhere(std::int64_t rows, std::int64_t cols,
                      const std::vector<std::int64_t>& counts) {
  for (const HalfType type : {HalfType::kF16, HalfType::kBf16}) {
    Problem p = make_problem(type, rows, cols);
    for (const auto& [name, kernels] : implementations()) {
      pack(p, kernels);
      for (const std::int64_t count : counts) {
        INFO(name << (type == HalfType::kF16 ? " f16" : " bf16") << " rows " << rows << " cols "
                  << cols << " listed " << count);
        const std::vector<std::int32_t> list = random_list(rows, count);
        CHECK(dots_agree(p, kernels, list));
        CHECK(sums_agree(p, kernels, list, 0, cols));
      }
    }
  }
}

TEST_CASE("Listed float rows have the products of a plain chain") {
  std::vector<std::int64_t> counts = {47, 48, 49, 63, 64, 65, 70};
  for (std::int64_t count = 0; count <= 40; ++count) counts.push_back(count);
  for (const std::int64_t cols : {1, 2, 7, 16, 17, 31, 32, 33, 63, 64, 65, 96, 129, 255, 320}) {
    check_everywhere(70, cols, counts);
  }
}

TEST_CASE("Float rows longer than their prefetch, and long lists") {
  check_everywhere(50, 4099, {50, 31});
  check_everywhere(50, 2560, {50, 33});
  check_everywhere(3000, 160, {3000, 777});
}

TEST_CASE("Sums of float rows can be made a range of columns at a time") {
  for (const HalfType type : {HalfType::kF16, HalfType::kBf16}) {
    Problem p = make_problem(type, 40, 333);
    for (const auto& [name, kernels] : implementations()) {
      pack(p, kernels);
      const std::vector<std::int32_t> list = random_list(p.rows, 29);
      for (std::int64_t begin = 0; begin < p.cols; begin += kSparseHalfLineCols) {
        for (std::int64_t end = begin; end <= p.cols; ++end) {
          if (!sums_agree(p, kernels, list, begin, end)) {
            FAIL(name << " columns from " << begin << " to " << end);
          }
        }
      }
    }
  }
}

TEST_CASE("Listed float rows have the products of the dense kernels") {
  for (const HalfType type : {HalfType::kF16, HalfType::kBf16}) {
    Problem p = make_problem(type, 130, 260);
    for (const KernelTable* table : runnable_tables()) {
      INFO(table->name);
      AlignedBuffer<std::uint8_t> panels(table->half.packed_bytes(type, p.rows, p.cols));
      table->half.pack(type, p.weights.data(), 0, p.rows, p.rows, p.cols, panels.data());
      std::vector<float> want(static_cast<std::size_t>(p.rows));
      table->half.gemv({panels.data(), type, p.rows, p.cols, kScale}, p.x.data(), want.data(), 0,
                       p.rows);
      pack(p, table->sparse_half);
      std::vector<float> got(want.size());
      const std::vector<std::int32_t> list = random_list(p.rows, p.rows);
      table->sparse_half.dot_rows(p.matrix(), p.x.data(), list.data(), p.rows, got.data());
      CHECK(std::memcmp(got.data(), want.data(), want.size() * sizeof(float)) == 0);
    }
  }
}

// What the header promises of weights -1, 0 and 1, where sums of denormals come and go.
TEST_CASE("Leaving out activations of zero changes no bit, not the sign of a zero either") {
  constexpr std::int64_t kRows = 200, kCols = 96;
  std::mt19937 random(3);
  for (const HalfType type : {HalfType::kF16, HalfType::kBf16}) {
    Problem p = make_problem(type, kRows, kCols);
    for (std::uint16_t& bits : p.weights) {
      bits = half_bits(type, static_cast<float>(static_cast<int>(random() % 3) - 1));
    }
    std::vector<std::int32_t> all, nonzero;
    for (std::int32_t row = 0; row < kRows; ++row) {
      const float values[] = {0.0f, -0.0f, 0x1p-149f, -0x1p-149f, 0x1p-148f, -0.0f};
      p.q[static_cast<std::size_t>(row)] = values[random() % 6];
      all.push_back(row);
      if (p.q[static_cast<std::size_t>(row)] != 0) nonzero.push_back(row);
    }
    for (const auto& [name, kernels] : implementations()) {
      INFO(name);
      pack(p, kernels);
      Output complete(kCols), listed(kCols);
      HalfMatrix w = p.matrix();
      w.scale = 3.0f;
      kernels.add_rows(w, p.q.data(), all.data(), std::ssize(all), 0, kCols, complete.y());
      kernels.add_rows(w, p.q.data(), nonzero.data(), std::ssize(nonzero), 0, kCols, listed.y());
      CHECK(complete.words == listed.words);
    }
  }
}

TEST_CASE("Packed float rows are what was packed, padded with zeros, the same on every row") {
  Problem p = make_problem(HalfType::kF16, 5, 45);
  for (const auto& [name, kernels] : implementations()) {
    INFO(name);
    pack(p, kernels);
    REQUIRE(p.packed.size() == 5 * 128);
    for (std::int64_t row = 0; row < 5; ++row) {
      std::uint16_t want[64] = {};
      std::copy_n(p.weights.data() + row * 45, 45, want);
      CHECK(std::memcmp(p.packed.data() + row * 128, want, sizeof want) == 0);
    }
  }
}

}  // namespace
}  // namespace tern::kernels
