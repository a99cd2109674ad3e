#include "engine/linear.h"

#include <cmath>
#include <random>

#include "engine/error.h"
#include "engine/thread_pool.h"
#include "kernels/float16.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::tests {
namespace {

constexpr std::int64_t kRows = 83;
constexpr std::int64_t kCols = 100;

std::int8_t trit(std::int64_t row, std::int64_t col) {
  return static_cast<std::int8_t>((row * 7 + col * 5) % 3 - 1);
}

void fill_trits(std::int64_t row, std::int8_t* out) {
  for (std::int64_t c = 0; c < kCols; ++c) out[c] = trit(row, c);
}

TEST_CASE("a ternary linear layer applies both scales", "[linear]") {
  engine::ThreadPool pool({.threads = 2, .spin_us = 20});
  const kernels::KernelTable* table = GENERATE(from_range(kernels::runnable_tables()));
  const auto* kernels = GENERATE_COPY(&table->ternary, &table->ternary_dense);
  const engine::TernaryLinear w(*kernels, kRows, kCols, 0.75f, fill_trits, pool);
  kernels::AlignedBuffer<std::int8_t> q(256);
  std::vector<float> x(kCols);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i));
  std::int32_t sum = 0;
  const float s = table->quantize.quantize_row(x.data(), kCols, q.data(), &sum);
  const engine::Activations in{x.data(), kCols, q.data(), 128, &sum, &s, 1};
  std::vector<float> y(kRows, -1);
  float scratch = 0;
  w.apply(in, &scratch, y.data(), kRows, 0, kRows);
  for (std::int64_t r = 0; r < kRows; ++r) {
    std::int32_t dot = 0;
    for (std::int64_t c = 0; c < kCols; ++c) dot += trit(r, c) * q[static_cast<std::size_t>(c)];
    CHECK(y[static_cast<std::size_t>(r)] == static_cast<float>(dot) * (0.75f / s));
  }
  std::vector<std::int8_t> row(kCols);
  w.unpack_row(82, row.data());
  CHECK(row[3] == trit(82, 3));
}

TEST_CASE("an error while packing reaches the caller, from any thread", "[linear]") {
  engine::ThreadPool pool({.threads = 3, .spin_us = 20});
  const auto failing = [](std::int64_t row, std::int8_t* out) {
    if (row == 40) throw engine::Error("row 40 is bad");
    fill_trits(row, out);
  };
  CHECK_THROWS_WITH(engine::TernaryLinear(kernels::find_table("scalar")->ternary, kRows, kCols,
                                          1.0f, failing, pool),
                    "row 40 is bad");
}

TEST_CASE("a half linear layer gives back its rows", "[linear]") {
  engine::ThreadPool pool({.threads = 2, .spin_us = 20});
  const engine::HalfLinear w(
      *kernels::find_table("scalar"), kernels::HalfType::kF16, kRows, kCols, 2.0f,
      [](std::int64_t row, void* out) {
        for (std::int64_t c = 0; c < kCols; ++c) {
          static_cast<std::uint16_t*>(out)[c] = kernels::f32_to_f16(static_cast<float>(row - c));
        }
      },
      pool);
  std::vector<float> row(kCols);
  w.unpack_row(80, row.data());
  CHECK(row[0] == 80.0f);
  CHECK(row[99] == -19.0f);
  // Outputs carry the scale.
  const std::vector<float> x(kCols, 1.0f);
  const engine::Activations in{x.data(), kCols, nullptr, 0, nullptr, nullptr, 1};
  std::vector<float> y(kRows);
  w.apply(in, nullptr, y.data(), kRows, 0, kRows);
  CHECK(y[10] == 2.0f * (10 * 100 - 4950));
}

TEST_CASE("a block linear layer reads quantised activations and carries its scale", "[linear]") {
  engine::ThreadPool pool({.threads = 2, .spin_us = 20});
  const kernels::KernelTable* table = GENERATE(from_range(kernels::runnable_tables()));
  REQUIRE(engine::block_row_bytes(kernels::BlockType::kQ8_0, 96) == 3 * 34);
  // Row r of 96 columns: weights (r + c) % 5 - 2 in blocks of scale 0.5.
  const auto weight = [](std::int64_t r, std::int64_t c) {
    return static_cast<int>((r + c) % 5 - 2);
  };
  const engine::BlockLinear w(
      *table, kernels::BlockType::kQ8_0, kRows, 96, 4.0f,
      [&](std::int64_t row, std::byte* out) {
        for (std::int64_t b = 0; b < 3; ++b) {
          *out++ = std::byte{0x00};
          *out++ = std::byte{0x38};
          for (std::int64_t c = 0; c < 32; ++c) {
            *out++ = static_cast<std::byte>(weight(row, 32 * b + c));
          }
        }
      },
      pool);
  std::vector<float> row(96);
  w.unpack_row(82, row.data());
  CHECK(row[95] == 0.5f * static_cast<float>(weight(82, 95)));
  // Activations that their quantisation keeps: 127 at most in every block.
  std::vector<float> x(96);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 32 == 0 ? 127 : i % 7);
  kernels::AlignedBuffer<std::int8_t> q(128);
  std::int32_t sums[8];
  float scales[4];
  table->quantize.quantize_blocks(x.data(), 96, q.data(), sums, scales);
  engine::Activations in;
  in.tokens = 1;
  in.blocks = {q.data(), sums, scales, 128, 1};
  std::vector<float> y(kRows);
  w.apply(in, nullptr, y.data(), kRows, 0, kRows);
  for (std::int64_t r = 0; r < kRows; ++r) {
    float dot = 0;
    for (std::int64_t c = 0; c < 96; ++c) {
      dot += static_cast<float>(weight(r, c)) * x[static_cast<std::size_t>(c)];
    }
    CHECK(y[static_cast<std::size_t>(r)] == 0.5f * dot * 4.0f);
  }
}

}  // namespace
}  // namespace tern::tests
