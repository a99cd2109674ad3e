#include "kernels/ternary/ternary.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "tests/support/catch.h"
#include "tests/support/guarded_output.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

constexpr std::int64_t kTokens = 101;  // of most problems: more than a panel of tiles

// One implementation of one layout, and the scalar one of that layout.
struct Implementation {
  std::string name;
  const TernaryKernels& kernels;
  const TernaryKernels& plain;
};

// Both layouts of every row this machine can run, each implementation once.
std::vector<Implementation> implementations() {
  std::vector<Implementation> all;
  const auto add = [&](const std::string& name, const TernaryKernels& kernels,
                       const TernaryKernels& plain) {
    const auto same = [&](const Implementation& one) { return &one.kernels == &kernels; };
    if (std::none_of(all.begin(), all.end(), same)) all.push_back({name, kernels, plain});
  };
  for (const KernelTable* table : runnable_tables()) {
    add(std::string(table->name) + " t2", table->ternary, scalar::kTernary);
    add(std::string(table->name) + " t5", table->ternary_dense, scalar::kTernaryDense);
  }
  return all;
}

enum class Fill { kRandom, kLowest, kHighest, kAlternating };

// One matrix and one batch, with the answers of a plain int64 sum over the trits.
struct Problem {
  std::int64_t rows, cols, tokens, stride;
  std::vector<std::int8_t> trits;  // (rows, cols)
  AlignedBuffer<std::int8_t> q;    // (tokens, stride)
  std::vector<std::int32_t> sums;  // (tokens)
  std::vector<float> scales;       // (tokens)
  std::vector<float> expected;     // (tokens, rows)
  AlignedBuffer<std::uint8_t> packed;

  TernaryMatrix matrix() const { return {packed.data(), rows, cols}; }
  QuantizedBatch batch(std::int64_t first, std::int64_t count) const {
    return {q.data() + first * stride, stride, sums.data() + first, scales.data() + first, count};
  }
};

std::int8_t activation(Fill fill, std::int64_t k, std::mt19937& random) {
  switch (fill) {
    case Fill::kLowest:
      return -128;
    case Fill::kHighest:
      return 127;
    case Fill::kAlternating:
      return k % 2 == 0 ? std::int8_t{127} : std::int8_t{-128};
    case Fill::kRandom:
      break;
  }
  return static_cast<std::int8_t>(static_cast<int>(random() % 256) - 128);
}

void fill_activations(Problem& p, Fill fill, std::mt19937& random) {
  p.stride = (p.cols + kQuantizedAlign - 1) / kQuantizedAlign * kQuantizedAlign;
  p.q = AlignedBuffer<std::int8_t>(static_cast<std::size_t>(p.tokens * p.stride));
  std::fill(p.q.data(), p.q.data() + p.q.size(), std::int8_t{0});
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    std::int32_t sum = 0;
    for (std::int64_t k = 0; k < p.cols; ++k) {
      const std::int8_t value = activation(fill, k, random);
      p.q[static_cast<std::size_t>(t * p.stride + k)] = value;
      sum += value;
    }
    p.sums.push_back(sum);
    p.scales.push_back(0.37f / static_cast<float>(t + 3));
  }
}

void solve(Problem& p) {
  p.expected.resize(static_cast<std::size_t>(p.tokens * p.rows));
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    for (std::int64_t r = 0; r < p.rows; ++r) {
      std::int64_t sum = 0;
      for (std::int64_t k = 0; k < p.cols; ++k) {
        sum +=
            std::int64_t{p.trits[r * p.cols + k]} * p.q[static_cast<std::size_t>(t * p.stride + k)];
      }
      p.expected[t * p.rows + r] = static_cast<float>(static_cast<std::int32_t>(sum)) * p.scales[t];
    }
  }
}

// trit: -1, 0 or 1 everywhere, or 2 for random ones.
Problem make_problem(std::int64_t rows, std::int64_t cols, Fill fill, int trit,
                     std::int64_t tokens = kTokens) {
  std::mt19937 random(static_cast<std::uint32_t>(rows * 7919 + cols));
  Problem p{};
  p.rows = rows;
  p.cols = cols;
  p.tokens = tokens;
  p.trits.resize(static_cast<std::size_t>(rows * cols));
  for (std::int8_t& value : p.trits) {
    value = static_cast<std::int8_t>(trit == 2 ? static_cast<int>(random() % 3) - 1 : trit);
  }
  fill_activations(p, fill, random);
  solve(p);
  return p;
}

// Packs in two calls where there are enough rows, as two threads would.
void pack(Problem& p, const TernaryKernels& kernels) {
  p.packed = AlignedBuffer<std::uint8_t>(kernels.packed_bytes(p.rows, p.cols));
  std::memset(p.packed.data(), 0xff, p.packed.bytes());
  const std::int64_t middle = std::min(p.rows, kernels.row_block);
  kernels.pack(p.trits.data(), 0, middle, p.rows, p.cols, p.packed.data());
  if (middle == p.rows) return;
  kernels.pack(p.trits.data() + middle * p.cols, middle, p.rows, p.rows, p.cols, p.packed.data());
}

bool gemm_agrees(const Problem& p, const TernaryKernels& kernels, std::int64_t tokens,
                 std::int64_t begin, std::int64_t end) {
  GuardedOutput out(p.rows, tokens);
  kernels.gemm(p.matrix(), p.batch(0, tokens), out.y(), out.stride, begin, end);
  return out.holds(p.expected.data(), begin, end);
}

bool gemv_agrees(const Problem& p, const TernaryKernels& kernels, std::int64_t token,
                 std::int64_t begin, std::int64_t end) {
  GuardedOutput out(p.rows, 1);
  kernels.gemv(p.matrix(), p.batch(token, 1), out.y(), begin, end);
  return out.holds(p.expected.data() + token * p.rows, begin, end);
}

void check_everywhere(Problem& p, const std::vector<std::int64_t>& token_counts) {
  for (const auto& [name, kernels, plain] : implementations()) {
    pack(p, kernels);
    INFO(name << " rows " << p.rows << " cols " << p.cols);
    CHECK(gemv_agrees(p, kernels, 0, 0, p.rows));
    CHECK(gemv_agrees(p, kernels, 5, 0, p.rows));
    for (const std::int64_t tokens : token_counts) {
      INFO("tokens " << tokens);
      CHECK(gemm_agrees(p, kernels, tokens, 0, p.rows));
    }
    for (std::int64_t begin = 0; begin < p.rows; begin += 3 * kernels.row_block) {
      const std::int64_t end = std::min(p.rows, begin + 3 * kernels.row_block);
      INFO("range " << begin << " to " << end);
      CHECK(gemv_agrees(p, kernels, 1, begin, end));
      CHECK(gemm_agrees(p, kernels, 7, begin, end));
    }
  }
}

TEST_CASE("Ternary kernels equal a plain integer sum on odd shapes") {
  const std::vector<std::int64_t> rows = {1, 15, 16, 17, 50};
  const std::vector<std::int64_t> cols = {1, 3, 15, 16, 17, 63, 64, 65, 80, 81, 159, 256, 271};
  for (const std::int64_t r : rows) {
    for (const std::int64_t c : cols) {
      Problem p = make_problem(r, c, Fill::kRandom, 2);
      check_everywhere(p, {1, 2, 3, 7, 23, 24, 25, 64});
    }
  }
}

TEST_CASE("Ternary kernels equal a plain integer sum on tall and wide shapes") {
  struct Shape {
    std::int64_t rows, cols;
  };
  for (const Shape shape :
       {Shape{640, 128}, {1000, 65}, {17, 2560}, {1, 6912}, {15, 6912}, {100, 1024}, {65, 960}}) {
    Problem p = make_problem(shape.rows, shape.cols, Fill::kRandom, 2);
    check_everywhere(p, {1, 3, 7, 12, 15, 16, 17, 24, 31, 32, 47, 64, 101});
  }
}

TEST_CASE("Ternary kernels equal a plain integer sum on rows of many chunks") {
  Problem p = make_problem(81, 16700, Fill::kRandom, 2, 17);
  check_everywhere(p, {16, 17});
}

TEST_CASE("Ternary kernels equal a plain integer sum where many tokens are cut into blocks") {
  for (const std::int64_t tokens : {512, 513, 549}) {
    Problem p = make_problem(33, 1100, Fill::kRandom, 2, tokens);
    check_everywhere(p, {tokens});
  }
}

TEST_CASE("Ternary kernels equal a plain integer sum at the edges of their tiles") {
  // One column more than a chunk of columns and one row more than a block, so that every tile and
  // every group of tokens is left unfinished somewhere, with sums kept between chunks.
  Problem p = make_problem(33, 1281, Fill::kRandom, 2, 195);
  std::vector<std::int64_t> token_counts;
  for (std::int64_t tokens = 2; tokens <= 51; ++tokens) token_counts.push_back(tokens);
  for (const std::int64_t tokens : {95, 96, 97, 98, 191, 192, 193, 195}) {
    token_counts.push_back(tokens);
  }
  check_everywhere(p, token_counts);
}

TEST_CASE("Ternary kernels do not saturate or overflow on extreme inputs") {
  for (const Fill fill : {Fill::kLowest, Fill::kHighest, Fill::kAlternating}) {
    for (const int trit : {-1, 1}) {
      for (const std::int64_t cols : {256, 257, 512, 16384}) {
        Problem p = make_problem(17, cols, fill, trit);
        check_everywhere(p, {1, 2, 4, 24});
      }
    }
  }
}

TEST_CASE("Ternary gemv stays exact past the length at which partial sums are merged") {
  const std::int64_t cols = (std::int64_t{3} << 18) + 5;
  std::vector<std::int8_t> trits(static_cast<std::size_t>(cols), std::int8_t{1});
  const std::int64_t stride = (cols + kQuantizedAlign - 1) / kQuantizedAlign * kQuantizedAlign;
  AlignedBuffer<std::int8_t> q(static_cast<std::size_t>(stride));
  std::fill(q.data(), q.data() + stride, std::int8_t{0});
  std::fill(q.data(), q.data() + cols, std::int8_t{-128});
  const auto sum = static_cast<std::int32_t>(cols * -128);
  const float scale = 1.0f;
  for (const auto& [name, kernels, plain] : implementations()) {
    INFO(name);
    AlignedBuffer<std::uint8_t> packed(kernels.packed_bytes(1, cols));
    kernels.pack(trits.data(), 0, 1, 1, cols, packed.data());
    float y = 0.0f;
    kernels.gemv({packed.data(), 1, cols}, {q.data(), stride, &sum, &scale, 1}, &y, 0, 1);
    CHECK(y == static_cast<float>(sum));
  }
}

TEST_CASE("Packed ternary rows unpack to what was packed, the same bytes on every row") {
  for (const std::int64_t rows : {1, 16, 37}) {
    for (const std::int64_t cols : {1, 16, 63, 80, 130, 159, 163, 250}) {
      Problem p = make_problem(rows, cols, Fill::kHighest, 2);
      for (const auto& [name, kernels, plain] : implementations()) {
        INFO(name << " rows " << rows << " cols " << cols);
        pack(p, plain);
        const std::vector<std::uint8_t> bytes(p.packed.data(), p.packed.data() + p.packed.size());
        REQUIRE(kernels.packed_bytes(rows, cols) == bytes.size());
        pack(p, kernels);
        CHECK(std::memcmp(p.packed.data(), bytes.data(), bytes.size()) == 0);
        std::vector<std::int8_t> row(static_cast<std::size_t>(cols + 1), std::int8_t{99});
        for (std::int64_t r = 0; r < rows; ++r) {
          kernels.unpack_row(p.matrix(), r, row.data());
          CHECK(std::equal(row.begin(), row.end() - 1, p.trits.begin() + r * cols));
          CHECK(row.back() == 99);
        }
      }
    }
  }
}

TEST_CASE("Layout t2 puts each trit where its description says") {
  // One trit differs from zero: row 18, column 27 is row 2 of block 1, line 1, j = 2, c = 3.
  std::vector<std::int8_t> trits(20 * 32, std::int8_t{0});
  trits[18 * 32 + 27] = -1;
  AlignedBuffer<std::uint8_t> packed(scalar::kTernary.packed_bytes(20, 32));
  scalar::kTernary.pack(trits.data(), 0, 20, 20, 32, packed.data());
  REQUIRE(packed.size() == 2 * 2 * 64);
  for (std::size_t i = 0; i < packed.size(); ++i) {
    const bool here = i == 2 * 64 + 64 + 4 * 2 + 3;
    CHECK(int{packed[i]} == (here ? 0x45 : 0x55));
  }
}

TEST_CASE("Layout t5 stores five lines in four, and the lines left over as they are") {
  CHECK(scalar::kTernaryDense.packed_bytes(16, 80) == 4 * 64);
  CHECK(scalar::kTernaryDense.packed_bytes(17, 64) == 2 * 4 * 64);
  CHECK(scalar::kTernaryDense.packed_bytes(1, 2560) * 10 ==
        scalar::kTernary.packed_bytes(1, 2560) * 8);
  // Row 2 of one group and one line: columns 3, 7, 11, 15 share a byte with column 67 (line 4, j =
  // 0, c = 3).
  const auto packed_byte = [](int c0, int c1, int c2, int c3, int c4, std::size_t byte) {
    std::vector<std::int8_t> trits(3 * 96, std::int8_t{0});
    std::int8_t* row = trits.data() + 2 * 96;
    row[3] = static_cast<std::int8_t>(c0 - 1);
    row[7] = static_cast<std::int8_t>(c1 - 1);
    row[11] = static_cast<std::int8_t>(c2 - 1);
    row[15] = static_cast<std::int8_t>(c3 - 1);
    row[67] = static_cast<std::int8_t>(c4 - 1);
    row[83] = -1;  // in the line left over
    AlignedBuffer<std::uint8_t> packed(scalar::kTernaryDense.packed_bytes(3, 96));
    scalar::kTernaryDense.pack(trits.data(), 0, 3, 3, 96, packed.data());
    return int{packed[byte]};
  };
  constexpr std::size_t kByte = 4 * 2 + 3;
  CHECK(packed_byte(0, 0, 0, 0, 0, kByte) == 0);
  CHECK(packed_byte(1, 2, 0, 1, 2, kByte) == 2 * 64 + 3 * 8 + 7);
  CHECK(packed_byte(2, 2, 0, 0, 0, kByte) == 192);  // low 8 with high 0
  CHECK(packed_byte(2, 2, 1, 2, 1, kByte) == 192 + 3 * 7 + 1);
  CHECK(packed_byte(0, 0, 2, 2, 0, kByte) == 192 + 3 * 8);  // high 8 with low 0
  CHECK(packed_byte(2, 2, 2, 2, 2, kByte) == 192 + 3 * 16 + 2);
  CHECK(packed_byte(0, 0, 0, 0, 0, 4 * 64 + kByte) == 0x54);  // as in t2
}

// Also the thirteen bytes that packing never writes.
TEST_CASE("Every byte of layout t5 means the same on every row") {
  constexpr std::int64_t kRows = 70, kCols = 5 * 80 + 37;
  Problem p = make_problem(kRows, kCols, Fill::kRandom, 2);
  pack(p, scalar::kTernaryDense);
  std::mt19937 random(3);
  for (std::uint8_t& byte : p.packed.span()) byte = static_cast<std::uint8_t>(random());
  GuardedOutput plain(kRows, 30);
  scalar::kTernaryDense.gemm(p.matrix(), p.batch(0, 30), plain.y(), plain.stride, 0, kRows);
  for (const auto& [name, kernels, ours] : implementations()) {
    if (&ours != &scalar::kTernaryDense) continue;
    INFO(name);
    GuardedOutput many(kRows, 30);
    kernels.gemm(p.matrix(), p.batch(0, 30), many.y(), many.stride, 0, kRows);
    CHECK(many.words == plain.words);
    GuardedOutput one(kRows, 1);
    kernels.gemv(p.matrix(), p.batch(0, 1), one.y(), 0, kRows);
    CHECK(std::equal(one.words.begin(), one.words.end(), plain.words.begin()));
  }
}

TEST_CASE("Ternary peaks count what they did, in proportion to the rounds") {
  for (const auto& [name, kernels, plain] : implementations()) {
    INFO(name);
    const std::int64_t once = kernels.peak(1);
    CHECK(once > 0);
    CHECK(kernels.peak(300) == 300 * once);
    CHECK(kernels.peak(kMaxPeakRounds) == kMaxPeakRounds * once);
  }
}

}  // namespace
}  // namespace tern::kernels
