#include "kernels/sparse/sparse.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "tests/support/catch.h"
#include "tests/support/guarded_output.h"
#include "tests/support/row_lists.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

struct Implementation {
  std::string name;
  const SparseKernels& kernels;
};

// Each once.
std::vector<Implementation> implementations() {
  std::vector<Implementation> all;
  for (const KernelTable* table : runnable_tables()) {
    const auto same = [&](const Implementation& one) { return &one.kernels == &table->sparse; };
    if (std::none_of(all.begin(), all.end(), same)) all.push_back({table->name, table->sparse});
  }
  return all;
}

constexpr float kScale = 0.37f;
constexpr std::int32_t kCanary = 0x5eadbeef;

std::int64_t padded(std::int64_t cols) {
  return (cols + kSparseLineCols - 1) / kSparseLineCols * kSparseLineCols;
}

// One matrix; activations of its columns, for dot_rows, and of its rows, for add_rows.
struct Problem {
  std::int64_t rows, cols;
  std::vector<std::int8_t> trits;  // (rows, cols)
  AlignedBuffer<std::int8_t> x;    // (cols, padded to 64)
  std::vector<std::int8_t> q;      // (rows)
  std::int32_t x_sum = 0;
  AlignedBuffer<std::uint8_t> packed;

  TernaryMatrix matrix() const { return {packed.data(), rows, cols}; }
  QuantizedBatch batch() const {
    return {x.data(), static_cast<std::int64_t>(x.size()), &x_sum, &kScale, 1};
  }
  std::int64_t trit(std::int64_t row, std::int64_t col) const {
    return trits[static_cast<std::size_t>(row * cols + col)];
  }
};

// trit: -1, 0 or 1 everywhere, or 2 for random ones; activation: one value, or nothing for random.
Problem make_problem(std::int64_t rows, std::int64_t cols, int trit = 2, int activation = 1000) {
  std::mt19937 random(static_cast<std::uint32_t>(rows * 7919 + cols));
  const auto value = [&] {
    return static_cast<std::int8_t>(activation == 1000 ? static_cast<int>(random() % 256) - 128
                                                       : activation);
  };
  Problem p{.rows = rows,
            .cols = cols,
            .trits = std::vector<std::int8_t>(static_cast<std::size_t>(rows * cols)),
            .x = AlignedBuffer<std::int8_t>(static_cast<std::size_t>(
                (cols + kQuantizedAlign - 1) / kQuantizedAlign * kQuantizedAlign)),
            .q = std::vector<std::int8_t>(static_cast<std::size_t>(rows)),
            .packed = {}};
  for (std::int8_t& t : p.trits) {
    t = static_cast<std::int8_t>(trit == 2 ? static_cast<int>(random() % 3) - 1 : trit);
  }
  std::fill(p.x.data(), p.x.data() + p.x.size(), std::int8_t{0});
  for (std::int64_t c = 0; c < cols; ++c) {
    p.x[static_cast<std::size_t>(c)] = value();
    p.x_sum += p.x[static_cast<std::size_t>(c)];
  }
  for (std::int8_t& q : p.q) q = value();
  return p;
}

// In two calls where there are enough rows, as two threads would.
void pack(Problem& p, const SparseKernels& kernels) {
  p.packed = AlignedBuffer<std::uint8_t>(kernels.packed_bytes(p.rows, p.cols));
  std::memset(p.packed.data(), 0xff, p.packed.bytes());
  const std::int64_t middle = p.rows / 2;
  kernels.pack(p.trits.data(), 0, middle, p.cols, p.packed.data());
  kernels.pack(p.trits.data() + middle * p.cols, middle, p.rows, p.cols, p.packed.data());
}

bool dots_agree(const Problem& p, const SparseKernels& kernels,
                const std::vector<std::int32_t>& list) {
  std::vector<std::uint32_t> got(static_cast<std::size_t>(p.rows), GuardedOutput::kCanary);
  std::vector<std::uint32_t> want = got;
  kernels.dot_rows(p.matrix(), p.batch(), list.data(), std::ssize(list),
                   reinterpret_cast<float*>(got.data()));
  for (const std::int32_t row : list) {
    std::int64_t sum = 0;
    for (std::int64_t c = 0; c < p.cols; ++c) {
      sum += p.trit(row, c) * p.x[static_cast<std::size_t>(c)];
    }
    const float y = static_cast<float>(static_cast<std::int32_t>(sum)) * kScale;
    std::memcpy(&want[static_cast<std::size_t>(row)], &y, sizeof y);
  }
  return got == want;
}

// Into memory that held something else.
bool sums_agree(const Problem& p, const SparseKernels& kernels,
                const std::vector<std::int32_t>& list) {
  const std::int64_t size = padded(p.cols);
  AlignedBuffer<std::int32_t> sums(static_cast<std::size_t>(size + 16));
  std::fill(sums.data(), sums.data() + sums.size(), kCanary);
  kernels.add_rows(p.matrix(), p.q.data(), list.data(), std::ssize(list), sums.data());
  bool agree = std::all_of(sums.data() + size, sums.data() + sums.size(),
                           [](std::int32_t word) { return word == kCanary; });
  for (std::int64_t c = 0; c < p.cols; ++c) {
    std::int64_t sum = 0;
    for (const std::int32_t row : list) {
      sum += (p.trit(row, c) + 1) * p.q[static_cast<std::size_t>(row)];
    }
    agree = agree && sums[static_cast<std::size_t>(c)] == sum;
  }
  return agree;
}

void check_everywhere(Problem& p, const std::vector<std::int64_t>& counts) {
  for (const auto& [name, kernels] : implementations()) {
    pack(p, kernels);
    for (const std::int64_t count : counts) {
      INFO(name << " rows " << p.rows << " cols " << p.cols << " listed " << count);
      const std::vector<std::int32_t> list = random_list(p.rows, count);
      CHECK(dots_agree(p, kernels, list));
      CHECK(sums_agree(p, kernels, list));
    }
  }
}

TEST_CASE("Listed rows have the products of a plain integer sum") {
  for (const std::int64_t cols : {1, 17, 63, 64, 65, 128, 192, 255, 256, 257, 511, 640, 2560}) {
    Problem p = make_problem(101, cols);
    std::vector<std::int64_t> counts = {48, 49, 63, 64, 65, 100, 101};
    for (std::int64_t count = 0; count <= 36; ++count) counts.push_back(count);
    check_everywhere(p, counts);
  }
}

TEST_CASE("Rows longer than their prefetch, and lists longer than a group") {
  Problem wide = make_problem(90, 45568);
  check_everywhere(wide, {90, 31});
  Problem tall = make_problem(6912, 300);
  check_everywhere(tall, {6912, 3456, 1383});
}

TEST_CASE("Products of listed rows do not saturate or overflow on extreme inputs") {
  for (const int activation : {-128, 127}) {
    for (const int trit : {-1, 1}) {
      Problem p = make_problem(1000, 16640, trit, activation);
      check_everywhere(p, {1000, 17});
    }
  }
}

TEST_CASE("Dot products stay exact past the length at which partial sums are merged") {
  Problem p = make_problem(5, kMaxTernaryCols, 1, -128);
  for (const auto& [name, kernels] : implementations()) {
    INFO(name);
    pack(p, kernels);
    CHECK(dots_agree(p, kernels, {0, 1, 2, 3, 4}));
  }
}

TEST_CASE("Packed sparse rows unpack to what was packed, the same bytes on every row") {
  for (const std::int64_t cols : {1, 64, 100, 256, 300, 1000}) {
    Problem p = make_problem(7, cols);
    pack(p, scalar::kSparse);
    const std::vector<std::uint8_t> bytes(p.packed.data(), p.packed.data() + p.packed.size());
    for (const auto& [name, kernels] : implementations()) {
      INFO(name << " cols " << cols);
      pack(p, kernels);
      REQUIRE(p.packed.size() == bytes.size());
      CHECK(std::memcmp(p.packed.data(), bytes.data(), bytes.size()) == 0);
      std::vector<std::int8_t> row(static_cast<std::size_t>(cols + 1), std::int8_t{99});
      for (std::int64_t r = 0; r < p.rows; ++r) {
        kernels.unpack_row(p.matrix(), r, row.data());
        CHECK(std::equal(row.begin(), row.end() - 1, p.trits.begin() + r * cols));
        CHECK(row.back() == 99);
      }
    }
  }
}

TEST_CASE("Layout r2 puts each trit where its description says") {
  // Row 1, column 256 + 2 * 64 + 5: line 1, byte 5, bits 4 and 5.
  std::vector<std::int8_t> trits(2 * 500, std::int8_t{0});
  trits[500 + 256 + 128 + 5] = 1;
  AlignedBuffer<std::uint8_t> packed(scalar::kSparse.packed_bytes(2, 500));
  scalar::kSparse.pack(trits.data(), 0, 2, 500, packed.data());
  REQUIRE(packed.size() == 2 * 2 * 64);
  for (std::size_t i = 0; i < packed.size(); ++i) {
    CHECK(int{packed[i]} == (i == 128 + 64 + 5 ? 0x65 : 0x55));
  }
}

template <class T, class Lists>
void check_lists(const std::vector<T>& values, const Lists& lists, bool (*wanted)(T)) {
  const std::int64_t n = std::ssize(values);
  for (const std::int64_t begin : {std::int64_t{0}, std::int64_t{5}, n / 2}) {
    for (const std::int64_t end : {begin, begin + 1, n - 1, n}) {
      std::vector<std::int32_t> want;
      for (std::int64_t i = begin; i < end; ++i) {
        if (wanted(values[static_cast<std::size_t>(i)])) {
          want.push_back(static_cast<std::int32_t>(i));
        }
      }
      std::vector<std::int32_t> got(static_cast<std::size_t>(end - begin + 1), kCanary);
      got.resize(static_cast<std::size_t>(lists(values.data(), begin, end, got.data())));
      CHECK(got == want);
    }
  }
}

TEST_CASE("Lists hold exactly what is positive, and what is not zero") {
  std::mt19937 random(11);
  std::vector<float> x(203);
  for (float& v : x) v = static_cast<float>(static_cast<int>(random() % 5) - 2);
  x[3] = -0.0f;
  x[9] = std::numeric_limits<float>::denorm_min();
  x[10] = -std::numeric_limits<float>::denorm_min();
  std::vector<std::int8_t> q(203);
  for (std::int8_t& v : q) v = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
  q[7] = -128;
  for (const auto& [name, kernels] : implementations()) {
    INFO(name);
    check_lists<float>(x, kernels.list_positive, [](float v) { return v > 0; });
    check_lists<float>(x, kernels.list_nonzero_f32, [](float v) { return v != 0; });
    check_lists<std::int8_t>(q, kernels.list_nonzero, [](std::int8_t v) { return v != 0; });
    std::fill(x.begin(), x.end(), 1.0f);
    check_lists<float>(x, kernels.list_positive, [](float v) { return v > 0; });
  }
}

TEST_CASE("Sums of several lists merge to one product") {
  constexpr std::int64_t kCols = 77, kStride = 256;
  std::mt19937 random(5);
  std::vector<std::int32_t> parts(4 * kStride);
  for (std::int32_t& word : parts) word = static_cast<std::int32_t>(random() % 2000001) - 1000000;
  for (const auto& [name, kernels] : implementations()) {
    for (std::int64_t count = 1; count <= 4; ++count) {
      INFO(name << " parts " << count);
      GuardedOutput out(kCols, 1);
      std::vector<float> want(kCols);
      for (std::int64_t c = 0; c < kCols; ++c) {
        std::int32_t sum = -12345;
        for (std::int64_t part = 0; part < count; ++part) {
          sum += parts[static_cast<std::size_t>(part * kStride + c)];
        }
        want[static_cast<std::size_t>(c)] = static_cast<float>(sum) * kScale;
      }
      kernels.merge_sums(parts.data(), count, kStride, 12345, kScale, 16, kCols, out.y());
      CHECK(out.holds(want.data(), 16, kCols));
    }
  }
}

}  // namespace
}  // namespace tern::kernels
