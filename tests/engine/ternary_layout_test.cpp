#include "engine/ternary_layout.h"

#include "engine/thread_pool.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::tests {
namespace {

using Catch::Matchers::Contains;
using engine::TernaryBits;

engine::TernaryAutotune timed(double pass_2_s, double pass_1_6_s) {
  return {1000, 1, 7, pass_2_s, pass_1_6_s};
}

TEST_CASE("1.6 bits are taken only where they win clearly", "[ternary_layout]") {
  CHECK(engine::faster(timed(1.0, 0.8)) == TernaryBits::k1_6);
  CHECK(engine::faster(timed(1.0, 0.96)) == TernaryBits::k1_6);
  CHECK(engine::faster(timed(1.0, 0.98)) == TernaryBits::k2);
  CHECK(engine::faster(timed(1.0, 1.0)) == TernaryBits::k2);
  CHECK(engine::faster(timed(0.8, 1.0)) == TernaryBits::k2);
}

TEST_CASE("a layout that was asked for is not measured", "[ternary_layout]") {
  engine::ThreadPool pool({.threads = 1, .spin_us = 20});
  for (const TernaryBits bits : {TernaryBits::k2, TernaryBits::k1_6}) {
    for (const kernels::KernelTable* table : kernels::runnable_tables()) {
      const auto layout = engine::choose_ternary_layout(bits, *table, 1 << 20, pool);
      CHECK(layout.bits == bits);
      CHECK(layout.why == "as set");
      CHECK_FALSE(layout.autotune.has_value());
    }
  }
}

TEST_CASE("the measured choice keeps its figures, where there is one", "[ternary_layout]") {
  engine::ThreadPool pool({.threads = 3, .spin_us = 20});
  for (const kernels::KernelTable* table : kernels::runnable_tables()) {
    INFO(table->name);
    // Fewer weights than a group of rows for each thread.
    const auto layout = engine::choose_ternary_layout(std::nullopt, *table, 1000, pool);
    if (&table->ternary_dense == &kernels::scalar::kTernaryDense) {
      CHECK(layout.bits == TernaryBits::k2);
      CHECK_THAT(layout.why, Contains(table->name) && Contains("no fast kernels"));
      CHECK_FALSE(layout.autotune.has_value());
      continue;
    }
    REQUIRE(layout.autotune.has_value());
    CHECK(layout.autotune->weights >= 1000);
    CHECK(layout.autotune->threads == 3);
    CHECK(layout.autotune->pass_2_s > 0);
    CHECK(layout.autotune->pass_1_6_s > 0);
    CHECK(layout.bits == engine::faster(*layout.autotune));
    CHECK_THAT(layout.why, Contains("measured"));
  }
}

TEST_CASE("bytes and names of ternary weights", "[ternary_layout]") {
  CHECK(engine::ternary_bytes(1'000'000, TernaryBits::k2) == 250'000);
  CHECK(engine::ternary_bytes(1'000'000, TernaryBits::k1_6) == 200'000);
  CHECK(engine::name(TernaryBits::k1_6) == std::string("1.6"));
  CHECK(engine::bits_per_weight(TernaryBits::k1_6) == 1.6);
}

}  // namespace
}  // namespace tern::tests
