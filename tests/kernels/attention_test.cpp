#include "kernels/attention/attention.h"

#include <cmath>
#include <string>
#include <utility>

#include "kernels/float16.h"
#include "tests/kernels/float_cases.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

// Multiples of 16 and others, up to the limit.
const std::int64_t kHeadDims[] = {1, 2, 15, 16, 17, 40, 64, 80, 96, 100, 128, 129, 256, 300, 512};

// Keys or values in either cache type: no more memory than the rows need, so that sanitizers see
// overreads.
struct Cache {
  Cache(std::int64_t rows, std::int64_t head_dim, Kind kind, std::uint32_t seed)
      : f32(floats(rows * head_dim, kind, seed)) {
    for (float& x : f32) {
      f16.push_back(f32_to_f16(x));
      // What attention sees of a wide value must be finite.
      if (!std::isfinite(f16_to_f32(f16.back()))) f16.back() = f32_to_f16(x < 0 ? -3.5f : 3.5f);
    }
  }
  const void* data(CacheType type) const {
    return type == CacheType::kF16 ? static_cast<const void*>(f16.data()) : f32.data();
  }
  double value(CacheType type, std::int64_t i) const {
    const auto index = static_cast<std::size_t>(i);
    return type == CacheType::kF16 ? f16_to_f32(f16[index]) : f32[index];
  }
  std::vector<float> f32;
  std::vector<std::uint16_t> f16;
};

struct Range {
  std::int64_t begin;
  std::int64_t end;
};

constexpr CacheType kTypes[] = {CacheType::kF16, CacheType::kF32};

std::string describe(const KernelTable* table, std::int64_t head_dim, CacheType type, Kind kind) {
  return std::string(table->name) + ", head_dim " + std::to_string(head_dim) +
         (type == CacheType::kF16 ? ", f16" : ", f32") + ", kind " +
         std::to_string(static_cast<int>(kind));
}

template <class Body>
void for_each_case(Body body) {
  for (const KernelTable* table : runnable_tables()) {
    for (const std::int64_t head_dim : kHeadDims) {
      for (const CacheType type : kTypes) {
        for (const Kind kind : {Kind::kNormal, Kind::kWide, Kind::kTiny, Kind::kZeros}) {
          INFO(describe(table, head_dim, type, kind));
          body(table->attention, head_dim, type, kind);
        }
      }
    }
  }
}

// Several queries, each in memory of its own.
struct Queries {
  Queries(std::int64_t count, std::int64_t head_dim, Kind kind, std::uint32_t seed) {
    for (std::int64_t i = 0; i < count; ++i) {
      all.push_back(floats(head_dim, kind, seed + static_cast<std::uint32_t>(i)));
      pointers.push_back(all.back().data());
    }
  }
  std::vector<std::vector<float>> all;
  std::vector<const float*> pointers;
};

// One query, and whole tiles of every size with a rest.
constexpr std::int64_t kQueries[] = {1, 4, 9};

TEST_CASE("scores equal scalar on every row, for any queries and range", "[attention]") {
  constexpr std::int64_t kRows = 41;
  constexpr std::int64_t kStride = 43;
  for_each_case([](const AttentionKernels& row, std::int64_t head_dim, CacheType type, Kind kind) {
    const Cache k(kRows, head_dim, kind, 2);
    const Range ranges[] = {{0, kRows}, {0, 1}, {3, 4}, {5, 16}, {1, 33}};
    for (const std::int64_t queries : kQueries) {
      const Queries q(queries, head_dim, kind, 1);
      for (const auto& [begin, end] : ranges) {
        Guarded<float> expected(queries * kStride);
        Guarded<float> out(queries * kStride);
        scalar::kAttention.scores(q.pointers.data(), queries, k.data(type), type, head_dim, 0.088f,
                                  begin, end, expected.data(), kStride);
        row.scores(q.pointers.data(), queries, k.data(type), type, head_dim, 0.088f, begin, end,
                   out.data(), kStride);
        CHECK(same_bits(out.values(), expected.values()));  // what lies outside the range, too
        CHECK(out.intact());
      }
    }
  });
}

TEST_CASE("the largest score equals scalar's", "[attention]") {
  for (const KernelTable* table : runnable_tables()) {
    for (const Kind kind : {Kind::kNormal, Kind::kWide, Kind::kTiny, Kind::kZeros}) {
      for (const std::int64_t n : {1, 3, 15, 16, 17, 100, 257}) {
        const auto scores = floats(n, kind, 3);
        INFO(table->name << ", n " << n);
        CHECK(same_bits(table->attention.largest(scores.data(), n),
                        scalar::kAttention.largest(scores.data(), n)));
      }
    }
    const float zeros[] = {-0.0f, -0.0f};
    CHECK(same_bits(table->attention.largest(zeros, 2), 0.0f));
  }
}

TEST_CASE("scores do not depend on how their range is split", "[attention]") {
  constexpr std::int64_t kRows = 67;
  constexpr std::int64_t kHeadDim = 100;
  const Cache k(kRows, kHeadDim, Kind::kWide, 4);
  const auto q = floats(kHeadDim, Kind::kWide, 3);
  for (const KernelTable* table : runnable_tables()) {
    for (const CacheType type : kTypes) {
      std::vector<float> whole(kRows);
      const float* query = q.data();
      const auto run = [&](std::int64_t begin, std::int64_t end, std::vector<float>& out) {
        table->attention.scores(&query, 1, k.data(type), type, kHeadDim, 0.1f, begin, end,
                                out.data(), kRows);
      };
      run(0, kRows, whole);
      for (std::int64_t cut = 1; cut < kRows; ++cut) {
        std::vector<float> parts(kRows);
        run(0, cut, parts);
        run(cut, kRows, parts);
        INFO(table->name << ", cut " << cut);
        CHECK(same_bits(parts, whole));
      }
    }
  }
}

// The same pattern as in vector_test.cpp: 2^24 + 1 is 2^24 again, so the order of additions shows.
TEST_CASE("a dot product adds in the order of the contract", "[attention]") {
  const auto score = [](const AttentionKernels& row, const std::vector<int>& ones,
                        std::int64_t queries, std::int64_t keys) {
    const std::vector<float> q(32, 1.0f);
    std::vector<float> k(static_cast<std::size_t>(32 * keys), 0.0f);
    float* last = k.data() + 32 * (keys - 1);
    last[0] = 0x1p24f;
    for (const int i : ones) last[i] = 1.0f;
    std::vector<float> out(static_cast<std::size_t>(queries * keys));
    const std::vector<const float*> same(static_cast<std::size_t>(queries), q.data());
    row.scores(same.data(), queries, k.data(), CacheType::kF32, 32, 1.0f, 0, keys, out.data(),
               keys);
    return out.back();
  };
  for (const KernelTable* table : runnable_tables()) {
    // One key at a time and several in flight; one query and tiles of them.
    for (const auto& [queries, keys] : {std::pair{1, 1}, {1, 8}, {2, 8}, {4, 8}, {6, 8}, {6, 1}}) {
      INFO(table->name << ", queries " << queries << ", keys " << keys);
      CHECK(score(table->attention, {8, 4, 2, 1}, queries, keys) == 0x1p24f);
      CHECK(score(table->attention, {16}, queries, keys) == 0x1p24f);
      for (const auto& pair : {std::vector<int>{8, 24}, {1, 9}, {2, 6}, {1, 3}, {12, 4}}) {
        CHECK(score(table->attention, pair, queries, keys) == 0x1p24f + 2.0f);
      }
    }
  }
}

// A chain that only underflows leaves -0 in its lane; lanes that a short head does not reach stay
// +0.
TEST_CASE("scores keep the signs of zeros that scalar finds", "[attention]") {
  for (const std::int64_t head_dim : {1, 15, 16, 17, 32, 33}) {
    const std::vector<float> q(static_cast<std::size_t>(head_dim), -1e-30f);
    const std::vector<float> k(static_cast<std::size_t>(5 * head_dim), 1e-30f);
    for (const KernelTable* table : runnable_tables()) {
      INFO(table->name << ", head_dim " << head_dim);
      float out[2 * 5];
      const float* queries[] = {q.data(), q.data()};
      table->attention.scores(queries, 2, k.data(), CacheType::kF32, head_dim, 1.0f, 0, 5, out, 5);
      for (const float score : out) CHECK(same_bits(score, head_dim < 16 ? 0.0f : -0.0f));
    }
  }
}

// The sum of weights as attention.h words it, so that scalar is judged as well.
float sum_by_lanes(const float* p, std::int64_t n) {
  float l[16] = {};
  for (std::int64_t i = 0; i < n; ++i) l[i % 16] += p[i];
  for (const int half : {8, 4, 2, 1}) {
    for (int i = 0; i < half; ++i) l[i] += l[i + half];
  }
  return l[0];
}

TEST_CASE("weights equal scalar on every row", "[attention]") {
  for (const KernelTable* table : runnable_tables()) {
    for (const std::int64_t n : {1, 15, 16, 17, 33, 255, 256}) {
      const auto scores = floats(n, Kind::kNormal, 6);
      Guarded<float> p(scores);
      Guarded<float> expected(scores);
      const float sum = table->attention.weigh(p.data(), 3.0f, n);
      INFO(table->name << ", n " << n);
      CHECK(same_bits(sum, scalar::kAttention.weigh(expected.data(), 3.0f, n)));
      CHECK(same_bits(sum, sum_by_lanes(p.data(), n)));
      CHECK(same_bits(p.values(), expected.values()));
      CHECK(p.intact());
    }
  }
}

// Outputs of several queries, each between canaries; chains begin at what `start` holds.
struct Outputs {
  Outputs(const std::vector<std::vector<float>>& start) {
    for (const auto& values : start) all.emplace_back(values);
    for (auto& out : all) pointers.push_back(out.data());
  }
  std::vector<Guarded<float>> all;
  std::vector<float*> pointers;
};

TEST_CASE("weighted_sum equals scalar on every row, for any queries", "[attention]") {
  for_each_case([](const AttentionKernels& row, std::int64_t head_dim, CacheType type, Kind kind) {
    const Range ranges[] = {{0, 1}, {0, 17}, {256, 256 + 33}, {300, 304}};
    constexpr std::int64_t kStride = 515;
    const Cache v(304, head_dim, kind, 5);
    for (const std::int64_t queries : kQueries) {
      const auto p = floats(queries * kStride, kind, 6);
      const Queries start(queries, head_dim, kind, 7);
      for (const auto& [begin, end] : ranges) {
        Outputs out(start.all);
        Outputs expected(start.all);
        row.weighted_sum(p.data(), kStride, queries, v.data(type), type, head_dim, begin, end,
                         out.pointers.data());
        scalar::kAttention.weighted_sum(p.data(), kStride, queries, v.data(type), type, head_dim,
                                        begin, end, expected.pointers.data());
        for (std::size_t i = 0; i < out.all.size(); ++i) {
          CHECK(same_bits(out.all[i].values(), expected.all[i].values()));
          CHECK(out.all[i].intact());
        }
      }
    }
  });
}

TEST_CASE("a chain of weighted values goes on where it was cut", "[attention]") {
  constexpr std::int64_t kHeadDim = 129;
  const Cache v(33, kHeadDim, Kind::kWide, 5);
  const auto p = floats(33, Kind::kNormal, 6);
  for (const KernelTable* table : runnable_tables()) {
    const auto run = [&](std::int64_t begin, std::int64_t end, std::vector<float>& out) {
      float* target = out.data();
      table->attention.weighted_sum(p.data(), 33, 1, v.data(CacheType::kF32), CacheType::kF32,
                                    kHeadDim, begin, end, &target);
    };
    std::vector<float> whole(kHeadDim, 0.0f);
    run(0, 33, whole);
    for (std::int64_t cut = 1; cut < 33; ++cut) {
      std::vector<float> parts(kHeadDim, 0.0f);
      run(0, cut, parts);
      run(cut, 33, parts);
      INFO(table->name << ", cut " << cut);
      CHECK(same_bits(parts, whole));
    }
  }
}

TEST_CASE("both passes together are softmax attention", "[attention]") {
  constexpr std::int64_t kRows = 600;  // two whole blocks and a part
  constexpr std::int64_t kHeadDim = 128;
  const float scale = 0.0884f;
  const auto q = floats(kHeadDim, Kind::kNormal, 7);
  const Cache k(kRows, kHeadDim, Kind::kNormal, 8);
  const Cache v(kRows, kHeadDim, Kind::kNormal, 9);
  for (const CacheType type : kTypes) {
    std::vector<double> weights;
    double total = 0;
    double largest = 0;
    for (std::int64_t j = 0; j < kRows; ++j) {
      double dot = 0;
      for (std::int64_t d = 0; d < kHeadDim; ++d) {
        dot += q[static_cast<std::size_t>(d)] * k.value(type, j * kHeadDim + d);
      }
      total += weights.emplace_back(std::exp(dot * scale));
      largest = std::fmax(largest, std::fabs(dot * scale));
    }

    std::vector<float> scores(kRows);
    const float* query = q.data();
    scalar::kAttention.scores(&query, 1, k.data(type), type, kHeadDim, scale, 0, kRows,
                              scores.data(), kRows);
    const float max = scalar::kAttention.largest(scores.data(), kRows);
    std::vector<float> merged(kHeadDim, 0.0f);
    float sum = 0;
    for (std::int64_t begin = 0; begin < kRows; begin += kAttentionBlock) {
      const std::int64_t end = begin + kAttentionBlock < kRows ? begin + kAttentionBlock : kRows;
      float part[kHeadDim] = {};
      float* target = part;
      sum += scalar::kAttention.weigh(scores.data() + begin, max, end - begin);
      scalar::kAttention.weighted_sum(scores.data(), kRows, 1, v.data(type), type, kHeadDim, begin,
                                      end, &target);
      for (std::size_t d = 0; d < kHeadDim; ++d) merged[d] += part[d];
    }
    // A score is off by a few roundings of its partial sums, which exp turns into a relative error
    // of its weight; values are at most 3.
    const double tolerance = 3 * (16 * largest + kAttentionBlock) * 0x1p-24;
    for (std::int64_t d = 0; d < kHeadDim; ++d) {
      double expected = 0;
      for (std::int64_t j = 0; j < kRows; ++j) {
        expected += weights[static_cast<std::size_t>(j)] * v.value(type, j * kHeadDim + d);
      }
      expected /= total;
      CHECK(std::fabs(merged[static_cast<std::size_t>(d)] / sum - expected) <= tolerance);
    }
  }
}

}  // namespace
}  // namespace tern::kernels
