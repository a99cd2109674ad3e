#include "engine/greedy_head.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engine/error.h"
#include "engine/logits.h"
#include "engine/session.h"
#include "engine/thread_pool.h"
#include "kernels/float16.h"
#include "tests/engine/temporary_folder.h"
#include "tests/engine/tiny_model.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::tests {
namespace {

using engine::GreedyHead;
using engine::HalfLinear;
using engine::ThreadPool;
using kernels::HalfType;

constexpr std::int64_t kCols = 96;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Matrix {
  std::int64_t rows;
  std::vector<float> values;  // (rows, kCols)

  explicit Matrix(std::int64_t r) : rows(r), values(static_cast<std::size_t>(r * kCols)) {}
  float& at(std::int64_t row, std::int64_t col) {
    return values[static_cast<std::size_t>(row * kCols + col)];
  }
};

Matrix random_matrix(std::int64_t rows, float scale = 1) {
  Matrix m(rows);
  std::mt19937 random(static_cast<unsigned>(rows));
  std::normal_distribution<float> normal;
  for (float& v : m.values) v = scale * normal(random);
  return m;
}

std::vector<float> random_inputs(std::int64_t tokens, float scale = 1) {
  std::vector<float> x(static_cast<std::size_t>(tokens * kCols));
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (float& v : x) v = scale * normal(random);
  return x;
}

// A head of F32 or F16 weights with its search, on one kernels row, and what it reads.
class Fixture {
 public:
  Fixture(const kernels::KernelTable& table, const Matrix& m, HalfType type = HalfType::kF32)
      : table_(table),
        head_(
            table, type, m.rows, kCols, 1.0f,
            [&](std::int64_t row, void* out) {
              for (std::int64_t c = 0; c < kCols; ++c) {
                const float w = m.values[static_cast<std::size_t>(row * kCols + c)];
                if (type == HalfType::kF32) {
                  static_cast<float*>(out)[c] = w;
                } else {
                  static_cast<std::uint16_t*>(out)[c] = kernels::f32_to_f16(w);
                }
              }
            },
            pool_),
        greedy_(head_, table, pool_) {}

  const GreedyHead& greedy() const { return greedy_; }

  void read(const std::vector<float>& x) {
    tokens_ = std::ssize(x) / kCols;
    x_ = kernels::AlignedBuffer<float>(x.size());
    std::copy(x.begin(), x.end(), x_.data());
    const std::int64_t stride = 128;
    q_ = kernels::AlignedBuffer<std::int8_t>(static_cast<std::size_t>(tokens_ * stride));
    sums_ = std::vector<std::int32_t>(static_cast<std::size_t>(tokens_ * stride / 16));
    scales_ = std::vector<float>(static_cast<std::size_t>(tokens_ * stride / 32));
    for (std::int64_t t = 0; t < tokens_; ++t) {
      table_.quantize.quantize_blocks(x_.data() + t * kCols, kCols, q_.data() + t * stride,
                                      sums_.data() + t * stride / 16,
                                      scales_.data() + t * stride / 32);
    }
    in_ = {};
    in_.x = x_.data();
    in_.x_stride = kCols;
    in_.tokens = tokens_;
    in_.blocks = {q_.data(), sums_.data(), scales_.data(), stride, tokens_};
  }

  std::vector<float> logits() const { return apply(head_); }
  std::vector<float> copied() const { return apply(greedy_.copy()); }

  engine::GreedyInput measure() const {
    return greedy_.measure(x_.data(), q_.data(), scales_.data());
  }

  // Empty where the search gave up.
  std::vector<int> find() {
    engine::GreedyScratch scratch(tokens_, greedy_.panels(), kCols, pool_.threads());
    std::vector<float> y(static_cast<std::size_t>(tokens_ * head_.rows()));
    std::vector<int> best(static_cast<std::size_t>(tokens_), -1);
    if (!greedy_.find(head_, in_, pool_, scratch, y.data(), best.data())) best.clear();
    return best;
  }

  std::vector<int> expected() const {
    const std::vector<float> y = logits();
    std::vector<int> best;
    for (std::int64_t t = 0; t < tokens_; ++t) {
      best.push_back(engine::argmax(std::span(y).subspan(static_cast<std::size_t>(t * head_.rows()),
                                                         static_cast<std::size_t>(head_.rows()))));
    }
    return best;
  }

 private:
  template <class L>
  std::vector<float> apply(const L& w) const {
    std::vector<float> y(static_cast<std::size_t>(tokens_ * head_.rows()));
    w.apply(in_, nullptr, y.data(), head_.rows(), 0, head_.rows());
    return y;
  }

  ThreadPool pool_{{.threads = 2, .spin_us = 20}};
  const kernels::KernelTable& table_;
  HalfLinear head_;
  GreedyHead greedy_;
  std::int64_t tokens_ = 0;
  kernels::AlignedBuffer<float> x_;
  kernels::AlignedBuffer<std::int8_t> q_;
  std::vector<std::int32_t> sums_;
  std::vector<float> scales_;
  engine::Activations in_;
};

// Every logit lies in its bracket, and the search finds the largest, or gives up.
void check_brackets(Fixture& f) {
  const engine::GreedyInput input = f.measure();
  REQUIRE(input.valid);
  const std::vector<float> logits = f.logits(), copied = f.copied();
  for (std::int64_t r = 0; r < f.greedy().rows(); ++r) {
    const auto i = static_cast<std::size_t>(r);
    CAPTURE(r, logits[i], copied[i], f.greedy().width(input.coarse, r));
    CHECK(std::fabs(double{logits[i]} - copied[i]) <= f.greedy().width(input.coarse, r));
  }
}

const kernels::KernelTable& any_table() {
  return *GENERATE(from_range(kernels::runnable_tables()));
}

TEST_CASE("brackets hold the logits of random and of awkward heads", "[greedy_head]") {
  const kernels::KernelTable& table = any_table();
  CAPTURE(table.name);
  SECTION("of any size, and of a number of rows that fills no panel") {
    const float scale = GENERATE(1.0f, 1e-30f, 1e-8f, 1e6f, 1e15f);
    Fixture f(table, random_matrix(77, scale));
    for (const float x : {1.0f, 1e-25f, 1e10f}) {
      CAPTURE(scale, x);
      f.read(random_inputs(1, x));
      check_brackets(f);
      const std::vector<int> found = f.find();
      if (!found.empty()) CHECK(found == f.expected());
    }
  }
  SECTION("of denormal weights and inputs") {
    Fixture f(table, random_matrix(40, 1e-40f));
    f.read(random_inputs(1, 1e-3f));
    check_brackets(f);
    f.read(random_inputs(1, 1e-42f));
    check_brackets(f);
  }
  SECTION("with one weight in a block far above the others") {
    Matrix m = random_matrix(64);
    for (std::int64_t r = 0; r < m.rows; ++r) m.at(r, (r * 7) % kCols) = 3e4f;
    Fixture f(table, m, GENERATE(HalfType::kF32, HalfType::kF16));
    f.read(random_inputs(1));
    check_brackets(f);
  }
}

TEST_CASE("the search finds the token of the largest logit", "[greedy_head]") {
  const kernels::KernelTable& table = any_table();
  CAPTURE(table.name);
  const std::int64_t rows = 1500;  // many panels, the last unfinished
  Matrix m = random_matrix(rows);
  const std::vector<float> x = random_inputs(3);
  // Rows `a` and `b` come out ahead of all others for the first input.
  const auto lead = [&](std::int64_t row, float by) {
    for (std::int64_t c = 0; c < kCols; ++c) m.at(row, c) = by * x[static_cast<std::size_t>(c)];
  };
  SECTION("random rows, several inputs") {}
  SECTION("equal rows in different panels: the first") {
    lead(1100, 2);
    lead(300, 2);
    Fixture f(table, m);
    f.read(std::vector<float>(x.begin(), x.begin() + kCols));
    CHECK(f.find() == std::vector<int>{300});
  }
  SECTION("rows that differ by less than the copy can tell") {
    lead(200, 2);
    lead(900, 2);
    for (std::int64_t c = 0; c < kCols; ++c) {
      float& w = m.at(900, c);
      w = std::nextafterf(w, x[static_cast<std::size_t>(c)] > 0 ? kInfinity : -kInfinity);
    }
    Fixture f(table, m);
    f.read(std::vector<float>(x.begin(), x.begin() + kCols));
    CHECK(f.expected() == std::vector<int>{900});
    CHECK(f.find() == std::vector<int>{900});
  }
  SECTION("rows whose lead the copy turns round") {
    // Next to a weight of 1000, the copy has steps of 8: it makes 3.9 a 0 and 4.1 an 8.
    for (std::int64_t c = 0; c < kCols; ++c) m.at(250, c) = m.at(1250, c) = 0;
    std::vector<float> one(static_cast<std::size_t>(kCols), 1.0f);
    for (std::int64_t c = 0; c < kCols; ++c) {
      const bool large = c % 32 == 0;
      m.at(250, c) = large ? 1000.0f : 3.9f;
      m.at(1250, c) = large ? 1000.0f : c % 2 == 0 ? 4.1f : 3.5f;
    }
    Fixture f(table, m);
    f.read(one);
    CHECK(f.copied()[1250] > f.copied()[250]);
    CHECK(f.expected() == std::vector<int>{250});
    CHECK(f.find() == std::vector<int>{250});
  }
  SECTION("the last row of all") { lead(rows - 1, 3); }
  SECTION("the first row of all") { lead(0, 3); }
  Fixture f(table, m);
  f.read(x);
  const std::vector<int> found = f.find();
  REQUIRE_FALSE(found.empty());
  CHECK(found == f.expected());
}

TEST_CASE("the search knows the roundings of the head", "[greedy_head]") {
  // Rows of integers, which the copy holds exactly, that differ by exchanging columns whose inputs
  // are neighbours: the exact order of their products is often not that of the rounded ones.
  const kernels::KernelTable& table = kernels::select_table(kernels::detect_cpu());
  std::mt19937 random(11);
  for (int round = 0; round < 40; ++round) {
    std::vector<float> x = random_inputs(1);
    for (std::size_t c = 1; c < x.size(); c += 2) x[c] = std::nextafterf(x[c - 1], kInfinity);
    Matrix m(1500);
    for (std::int64_t c = 0; c < kCols; ++c) {
      const bool positive = x[static_cast<std::size_t>(c)] > 0;
      const auto w = static_cast<float>(c % 32 == 0 ? 127 : random() % 120);
      for (const std::int64_t row : {10, 510, 1010}) m.at(row, c) = positive ? w : -w;
    }
    for (std::int64_t c = 0; c < kCols; c += 2) {
      if (c % 32 == 0) continue;
      if (random() % 2 == 0) std::swap(m.at(510, c), m.at(510, c + 1));
      if (random() % 2 == 0) std::swap(m.at(1010, c), m.at(1010, c + 1));
    }
    Fixture f(table, m);
    f.read(x);
    CAPTURE(round);
    CHECK(f.find() == f.expected());
  }
}

TEST_CASE("a search that can prove nothing gives up", "[greedy_head]") {
  const kernels::KernelTable& table = kernels::select_table(kernels::detect_cpu());
  Matrix m = random_matrix(2000);  // so many that no proof fails for being too broad
  std::vector<float> x = random_inputs(1);
  SECTION("an infinite weight") { m.at(3, 5) = kInfinity; }
  SECTION("a weight that is not a number") { m.at(3, 5) = std::numeric_limits<float>::quiet_NaN(); }
  SECTION("logits that could overflow") {
    for (float& v : m.values) v *= 1e37f;
  }
  SECTION("a logit that overflows on the way") {
    for (std::int64_t c = 0; c < 4; ++c) m.at(3, c) = c < 2 ? 3e38f : -3e38f;
    x.assign(x.size(), 1.0f);
  }
  SECTION("equal rows everywhere") {
    for (float& v : m.values) v = 0.5f;
  }
  Fixture f(table, m);
  f.read(x);
  CHECK(f.find().empty());
}

TEST_CASE("an input of zeros makes every logit equal", "[greedy_head]") {
  Fixture f(kernels::select_table(kernels::detect_cpu()), random_matrix(2000));
  f.read(std::vector<float>(static_cast<std::size_t>(kCols)));
  const std::vector<int> found = f.find();
  CHECK((found.empty() || found == std::vector<int>{0}));
}

// Continuations of a few prompts, with and without the copy of the head.
std::vector<int> continuation(const std::string& spec, const kernels::KernelTable& table,
                              bool greedy_head, bool twin) {
  ThreadPool pool({.threads = 2, .spin_us = 20});
  auto model = engine::Model::load(spec, table, pool, {.greedy_head = greedy_head});
  if (twin) model = engine::Model::half_twin(*model, pool);
  engine::Session session(model, pool, {.context = 40, .sequences = 3});
  std::vector<engine::StepRow> rows;
  for (int s = 0; s < 3; ++s) {
    const std::vector<int> prompt = {1 + s, 5, 9 * s + 2};
    rows.push_back({s, engine::argmax(session.prefill(prompt, s))});
  }
  std::vector<int> tokens;
  for (int i = 0; i < 12; ++i) {
    session.step_greedy(rows, [&](std::int64_t row, int token) {
      rows[static_cast<std::size_t>(row)].token = token;
      tokens.push_back(token);
    });
  }
  for (int i = 0, next = rows[0].token; i < 12; ++i) {
    next = session.decode_greedy(next);
    tokens.push_back(next);
  }
  return tokens;
}

TEST_CASE("greedy continuations are those of the complete head", "[greedy_head]") {
  const bool twin = GENERATE(false, true);
  const std::vector<int> expected =
      continuation("synth:tiny", *kernels::find_table("scalar"), false, twin);
  CHECK(expected.size() == 48);
  for (const kernels::KernelTable* table : kernels::runnable_tables()) {
    CAPTURE(table->name, twin);
    CHECK(continuation("synth:tiny", *table, true, twin) == expected);
  }
}

TEST_CASE("a greedy head is not made of sums without proven bounds", "[greedy_head]") {
  for (const kernels::KernelTable* table : kernels::runnable_inexact_tables()) {
    CAPTURE(table->name);
    CHECK_THROWS_WITH(Fixture(*table, random_matrix(100), HalfType::kBf16),
                      Catch::Matchers::Contains(table->name) && Catch::Matchers::Contains("BF16"));
    Fixture f(*table, random_matrix(1500), HalfType::kF16);
    f.read(random_inputs(1));
    check_brackets(f);
    CHECK(f.find() == f.expected());
  }
}

TEST_CASE("a greedy head is made of float weights only", "[greedy_head]") {
  ThreadPool pool({.threads = 1, .spin_us = 20});
  const kernels::KernelTable& table = kernels::select_table(kernels::detect_cpu());
  CHECK_THROWS_WITH(engine::Model::load("synth:tiny", table, pool,
                                        {.head = engine::HeadType::kQ8_0, .greedy_head = true}),
                    Catch::Matchers::Contains("quantised in blocks"));
  const auto with = engine::Model::load("synth:tiny", table, pool, {.greedy_head = true});
  const auto without = engine::Model::load("synth:tiny", table, pool);
  CHECK(with->facts().bytes > without->facts().bytes);
  engine::Session session(with, pool, {.context = 8});
  CHECK(session.bytes_per_token(0, engine::Answer::kToken) < session.bytes_per_token(0));
}

}  // namespace
}  // namespace tern::tests
