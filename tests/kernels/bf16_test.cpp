// BF16 weights on the inexact rows (kernels/half/half_avx512bf16.cpp), which round in their own
// way.
//
// What the answer is within. Activations are rounded first: |x^ - x| <= 2^-8 |x| for normal x. The
// product of two BF16 numbers has 16 significant bits, so it is exact in binary32, and each of the
// n = cols (+ 1 where odd) products of a chain passes through at most n sums, each rounded by at
// most u = 2^-24 of itself, whether the CPU rounds once or twice a pair. Hence (Higham, Accuracy
// and Stability of Numerical Algorithms, 2nd ed., section 3.1), with one more rounding for the
// scale,
//   |y / scale - w.x^| <= gamma_(n + 1) sum |w| |x^| + 4 n 2^-126,   gamma_k = k u / (1 - k u)
// where the last term stands for products and sums that are denormal and become 0.

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "kernels/float16.h"
#include "kernels/half/half.h"
#include "tests/support/catch.h"
#include "tests/support/guarded_output.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

// `n` of T at the end of accessible memory: whoever reads on dies.
template <class T>
class AtEndOfMemory {
 public:
  explicit AtEndOfMemory(std::size_t n) : bytes_((n * sizeof(T) + kPage - 1) / kPage * kPage) {
    map_ = static_cast<char*>(::mmap(nullptr, bytes_ + kPage, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(map_ != MAP_FAILED);
    REQUIRE(::mprotect(map_ + bytes_, kPage, PROT_NONE) == 0);
    data_ = reinterpret_cast<T*>(map_ + bytes_) - n;
  }
  ~AtEndOfMemory() { ::munmap(map_, bytes_ + kPage); }
  AtEndOfMemory(const AtEndOfMemory&) = delete;
  AtEndOfMemory& operator=(const AtEndOfMemory&) = delete;
  T* data() { return data_; }

 private:
  static constexpr std::size_t kPage = 65536;
  std::size_t bytes_;
  char* map_;
  T* data_;
};

// To nearest, ties to even, by the definition; denormals become zeros.
float rounded(float x) {
  if (std::fabs(x) < 0x1p-126f) return std::copysign(0.0f, x);
  auto bits = std::bit_cast<std::uint32_t>(x);
  bits += 0x7fffu + (bits >> 16 & 1u);
  return std::bit_cast<float>(bits & 0xffff0000u);
}

struct Problem {
  std::int64_t rows, cols, tokens, x_stride;
  float scale = 0.731f;
  std::vector<std::uint16_t> weights;  // (rows, cols)
  AtEndOfMemory<float> x;              // (tokens, x_stride) but for the gap behind the last token
  AtEndOfMemory<std::uint8_t> packed;

  // Of every magnitude within 2^-range to 2^range, some of them zeros.
  Problem(const HalfKernels& kernels, std::int64_t rows_, std::int64_t cols_, std::int64_t tokens_,
          int range = 12)
      : rows(rows_),
        cols(cols_),
        tokens(tokens_),
        x_stride(cols_ + 3),
        x(static_cast<std::size_t>((tokens_ - 1) * x_stride + cols_)),
        packed(kernels.packed_bytes(HalfType::kBf16, rows_, cols_)) {
    std::mt19937 random(static_cast<std::uint32_t>(rows * 7919 + cols * 31 + tokens));
    const auto number = [&] {
      if (random() % 16 == 0) return 0.0f;
      const int exponent = static_cast<int>(random() % (2u * static_cast<unsigned>(range) + 1));
      const float value =
          std::ldexp(1.0f + static_cast<float>(random() % 0x800000u) * 0x1p-23f, exponent - range);
      return random() % 2 == 0 ? value : -value;
    };
    for (std::int64_t i = 0; i < rows * cols; ++i) {
      weights.push_back(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(number()) >> 16));
    }
    // What no kernel may take into account is not a number.
    std::fill_n(x.data(), (tokens - 1) * x_stride + cols, std::numeric_limits<float>::quiet_NaN());
    for (std::int64_t t = 0; t < tokens; ++t) {
      for (std::int64_t k = 0; k < cols; ++k) x.data()[t * x_stride + k] = number();
    }
    std::memset(packed.data(), 0xff, kernels.packed_bytes(HalfType::kBf16, rows, cols));
    const std::int64_t middle = std::min(rows, kernels.row_block);
    kernels.pack(HalfType::kBf16, weights.data(), 0, middle, rows, cols, packed.data());
    if (middle == rows) return;
    kernels.pack(HalfType::kBf16, weights.data() + middle * cols, middle, rows, rows, cols,
                 packed.data());
  }
  HalfMatrix matrix() { return {packed.data(), HalfType::kBf16, rows, cols, scale}; }
  float weight(std::int64_t r, std::int64_t k) const {
    return bf16_to_f32(weights[static_cast<std::size_t>(r * cols + k)]);
  }
};

// (tokens, rows), each token by itself.
std::vector<float> by_gemv(Problem& p, const HalfKernels& kernels) {
  std::vector<float> y(static_cast<std::size_t>(p.tokens * p.rows));
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    kernels.gemv(p.matrix(), p.x.data() + t * p.x_stride, y.data() + t * p.rows, 0, p.rows);
  }
  return y;
}

bool gemm_is(Problem& p, const HalfKernels& kernels, const std::vector<float>& expected,
             std::int64_t tokens, std::int64_t begin, std::int64_t end) {
  GuardedOutput out(p.rows, tokens);
  // The first tokens, or the last ones, behind which memory ends.
  const std::int64_t first = tokens % 2 == 0 ? 0 : p.tokens - tokens;
  kernels.gemm(p.matrix(), p.x.data() + first * p.x_stride, p.x_stride, tokens, out.y(), out.stride,
               begin, end);
  return out.holds(expected.data() + first * p.rows, begin, end);
}

// The largest error as a share of what is allowed.
double worst(Problem& p, const std::vector<float>& y) {
  const auto n = static_cast<double>(p.cols + p.cols % 2);
  const double gamma = (n + 1) * 0x1p-24 / (1 - (n + 1) * 0x1p-24);
  double most = 0;
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    for (std::int64_t r = 0; r < p.rows; ++r) {
      double sum = 0, size = 0;
      for (std::int64_t k = 0; k < p.cols; ++k) {
        const double product = double{p.weight(r, k)} * rounded(p.x.data()[t * p.x_stride + k]);
        sum += product;
        size += std::fabs(product);
      }
      const double allowed = (gamma * size + 4 * n * 0x1p-126) * double{p.scale};
      const double error = std::fabs(y[static_cast<std::size_t>(t * p.rows + r)] - sum * p.scale);
      most = std::max(most, std::isfinite(error) ? error / allowed : 1e9);
    }
  }
  return most;
}

TEST_CASE("Inexact rows are within their rounding of the product with rounded activations") {
  for (const KernelTable* table : runnable_inexact_tables()) {
    for (const std::int64_t rows : {1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130}) {
      for (const std::int64_t cols : {1, 2, 3, 31, 32, 33, 63, 65}) {
        INFO(table->name << " rows " << rows << " cols " << cols);
        Problem p(table->half, rows, cols, 2);
        CHECK(worst(p, by_gemv(p, table->half)) <= 1);
      }
    }
    for (const std::int64_t cols : {2560, 6911}) {
      INFO(table->name << " cols " << cols);
      Problem p(table->half, 200, cols, 2, 3);
      CHECK(worst(p, by_gemv(p, table->half)) <= 1);
    }
  }
}

// As above, and what the rounding of activations adds: at most 2^-8 of the norms of a row and an
// input, by Cauchy-Schwarz.
TEST_CASE("Inexact rows are within the rounding of activations of the scalar row") {
  const double eps = 0x1p-8;
  for (const KernelTable* table : runnable_inexact_tables()) {
    Problem p(table->half, 100, 701, 3);
    AlignedBuffer<std::uint8_t> packed(scalar::kHalf.packed_bytes(HalfType::kBf16, p.rows, p.cols));
    scalar::kHalf.pack(HalfType::kBf16, p.weights.data(), 0, p.rows, p.rows, p.cols, packed.data());
    const std::vector<float> y = by_gemv(p, table->half);
    for (std::int64_t t = 0; t < p.tokens; ++t) {
      std::vector<float> exact(static_cast<std::size_t>(p.rows));
      scalar::kHalf.gemv({packed.data(), HalfType::kBf16, p.rows, p.cols, p.scale},
                         p.x.data() + t * p.x_stride, exact.data(), 0, p.rows);
      for (std::int64_t r = 0; r < p.rows; ++r) {
        double w2 = 0, x2 = 0;
        for (std::int64_t k = 0; k < p.cols; ++k) {
          w2 += std::pow(double{p.weight(r, k)}, 2);
          x2 += std::pow(double{p.x.data()[t * p.x_stride + k]}, 2);
        }
        const double error = std::fabs(double{y[static_cast<std::size_t>(t * p.rows + r)]} -
                                       exact[static_cast<std::size_t>(r)]);
        const double chains = 3 * static_cast<double>(p.cols) * 0x1p-24;
        if (error > (eps + chains) * std::sqrt(w2 * x2) * double{p.scale}) {
          FAIL(table->name << " token " << t << " row " << r << " error " << error);
        }
      }
    }
  }
}

TEST_CASE("An inexact row gives a token the same bits alone, in a batch and in a range of rows") {
  for (const KernelTable* table : runnable_inexact_tables()) {
    const HalfKernels& kernels = table->half;
    for (const std::int64_t rows : {1, 33, 64, 97, 200}) {
      for (const std::int64_t cols : {1, 31, 64, 131}) {
        Problem p(kernels, rows, cols, 53);
        const std::vector<float> expected = by_gemv(p, kernels);
        for (std::int64_t tokens = 1; tokens <= p.tokens; ++tokens) {
          INFO(table->name << " rows " << rows << " cols " << cols << " tokens " << tokens);
          CHECK(gemm_is(p, kernels, expected, tokens, 0, rows));
        }
        for (std::int64_t begin = 0; begin < rows; begin += kernels.row_block) {
          const std::int64_t end = std::min(rows, begin + kernels.row_block);
          INFO(table->name << " range " << begin << " to " << end << " cols " << cols);
          for (const std::int64_t tokens : {1, 2, 3, 4, 7, 12, 16, 41}) {
            CHECK(gemm_is(p, kernels, expected, tokens, begin, end));
          }
          GuardedOutput out(rows, 1);
          kernels.gemv(p.matrix(), p.x.data(), out.y(), begin, end);
          CHECK(out.holds(expected.data(), begin, end));
        }
      }
    }
  }
}

TEST_CASE("An inexact row gives a token the same bits across blocks of tokens and columns") {
  for (const KernelTable* table : runnable_inexact_tables()) {
    const HalfKernels& kernels = table->half;
    Problem p(kernels, 70, 2711, 281);
    const std::vector<float> expected = by_gemv(p, kernels);
    for (const std::int64_t tokens : {128, 131, 132, 133, 264, 281}) {
      INFO(table->name << " tokens " << tokens);
      CHECK(gemm_is(p, kernels, expected, tokens, 0, p.rows));
    }
    CHECK(worst(p, expected) <= 1);
  }
}

// One product on the given row, scaled: alone and, which must be the same, in a batch.
float product(const HalfKernels& kernels, float weight, float x, float scale = 1.0f) {
  const auto bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(weight) >> 16);
  AlignedBuffer<std::uint8_t> packed(kernels.packed_bytes(HalfType::kBf16, 1, 1));
  kernels.pack(HalfType::kBf16, &bits, 0, 1, 1, 1, packed.data());
  const HalfMatrix matrix{packed.data(), HalfType::kBf16, 1, 1, scale};
  float y = -1;
  kernels.gemv(matrix, &x, &y, 0, 1);
  const std::vector<float> batch(40, x);
  std::vector<float> ys(batch.size());
  kernels.gemm(matrix, batch.data(), 1, 40, ys.data(), 1, 0, 1);
  for (const float other : ys) CHECK(other == y);
  return y;
}

TEST_CASE("Inexact rows round activations to nearest even and take denormals for zeros") {
  for (const KernelTable* table : runnable_inexact_tables()) {
    INFO(table->name);
    const HalfKernels& kernels = table->half;
    CHECK(product(kernels, 1.0f, 1 + 0x1p-8f) == 1.0f);
    CHECK(product(kernels, 1.0f, 1 + 3 * 0x1p-8f) == 1 + 0x1p-6f);
    CHECK(product(kernels, -1.0f, 1 + 0x1p-8f + 0x1p-23f) == -1 - 0x1p-7f);
    CHECK(product(kernels, 1.0f, 1 + 0x1p-8f - 0x1p-23f) == 1.0f);
    CHECK(product(kernels, 3.0f, -0x1.fep120f) == -3 * 0x1.fep120f);

    CHECK(product(kernels, 0x1p-130f, 0x1p20f) == 0.0f);  // the weight
    CHECK(product(kernels, 0x1p20f, 0x1p-130f) == 0.0f);  // the activation
    CHECK(product(kernels, 0x1p-70f, 0x1p-60f) == 0.0f);  // the product
    CHECK(product(scalar::kHalf, 0x1p-130f, 0x1p20f) == 0x1p-110f);
    CHECK(product(scalar::kHalf, 0x1p20f, 0x1p-130f) == 0x1p-110f);
    CHECK(product(scalar::kHalf, 0x1p-70f, 0x1p-60f) == 0x1p-130f);
    CHECK(product(kernels, 0x1p-66f, 0x1p-60f) == 0x1p-126f);  // the smallest that is normal
    const float scaled = product(kernels, 0x1p-60f, 0x1p-60f, 0x1p-10f);
    CHECK((scaled == 0.0f || scaled == 0x1p-130f));
  }
}

TEST_CASE("BF16 rows unpack from an inexact row to what was packed") {
  for (const KernelTable* table : runnable_inexact_tables()) {
    for (const std::int64_t rows : {1, 64, 100}) {
      for (const std::int64_t cols : {1, 32, 75}) {
        INFO(table->name << " rows " << rows << " cols " << cols);
        Problem p(table->half, rows, cols, 1);
        std::vector<float> row(static_cast<std::size_t>(cols + 1), 99.0f);
        for (std::int64_t r = 0; r < rows; ++r) {
          table->half.unpack_row(p.matrix(), r, row.data());
          for (std::int64_t k = 0; k < cols; ++k) {
            if (row[static_cast<std::size_t>(k)] != p.weight(r, k)) FAIL(r << " " << k);
          }
          CHECK(row.back() == 99.0f);
        }
      }
    }
  }
}

TEST_CASE("Inexact rows multiply F16 and F32 weights as all rows do") {
  constexpr std::int64_t kRows = 70, kCols = 37, kTokens = 15;
  std::mt19937 random(1);
  std::vector<float> x(kTokens * kCols);
  for (float& v : x) v = static_cast<float>(random() % 2001) / 1000 - 1;
  const auto answers = [&](const HalfKernels& kernels, HalfType type, const void* weights) {
    AlignedBuffer<std::uint8_t> packed(kernels.packed_bytes(type, kRows, kCols));
    kernels.pack(type, weights, 0, kRows, kRows, kCols, packed.data());
    const HalfMatrix w{packed.data(), type, kRows, kCols, 0.7f};
    std::vector<float> y((kTokens + 1) * kRows + kCols);
    kernels.gemm(w, x.data(), kCols, kTokens, y.data(), kRows, 0, kRows);
    kernels.gemv(w, x.data() + kCols, y.data() + kTokens * kRows, 0, kRows);
    kernels.unpack_row(w, 66, y.data() + (kTokens + 1) * kRows);
    return y;
  };
  std::vector<std::uint16_t> f16(kRows * kCols);
  for (auto& w : f16) w = f32_to_f16(static_cast<float>(random() % 2001) / 1000 - 1);
  std::vector<float> f32(kRows * kCols);
  for (float& w : f32) w = static_cast<float>(random() % 2001) / 1000 - 1;
  for (const KernelTable* table : runnable_inexact_tables()) {
    INFO(table->name);
    CHECK(answers(table->half, HalfType::kF16, f16.data()) ==
          answers(scalar::kHalf, HalfType::kF16, f16.data()));
    CHECK(answers(table->half, HalfType::kF32, f32.data()) ==
          answers(scalar::kHalf, HalfType::kF32, f32.data()));
  }
}

TEST_CASE("The peak of BF16 products counts what it did, in proportion to the rounds") {
  std::vector<const KernelTable*> tables = runnable_tables();
  for (const KernelTable* table : runnable_inexact_tables()) tables.push_back(table);
  for (const KernelTable* table : tables) {
    INFO(table->name);
    const std::int64_t once = table->half.peak_bf16(1);
    CHECK(once >= table->half.peak(1));
    CHECK(table->half.peak_bf16(300) == 300 * once);
    CHECK(table->half.peak_bf16(kMaxPeakRounds) == kMaxPeakRounds * once);
    if (table->half.exact) CHECK(table->half.peak_bf16 == table->half.peak);
  }
}

}  // namespace
}  // namespace tern::kernels
