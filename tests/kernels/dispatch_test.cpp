#include "kernels/dispatch.h"

#include <set>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

TEST_CASE("The list of kernels rows ends with scalar, which needs nothing") {
  const auto tables = compiled_tables();
  REQUIRE_FALSE(tables.empty());
  CHECK(std::string(tables.back().name) == "scalar");
  CHECK(tables.back().required == Feature::kNone);
  CHECK(&tables.back().ternary == &scalar::kTernary);
  CHECK(&tables.back().ternary_dense == &scalar::kTernaryDense);
  CHECK(&tables.back().half == &scalar::kHalf);
}

TEST_CASE("Kernels rows have unique names and are found by them") {
  std::set<std::string> names;
  for (const KernelTable& table : compiled_tables()) {
    CHECK(names.insert(table.name).second);
    CHECK(find_table(table.name) == &table);
  }
}

TEST_CASE("An unknown kernels row is no row, never a fallback") {
  CHECK(find_table("") == nullptr);
  CHECK(find_table("Scalar") == nullptr);
  CHECK(find_table("scalar ") == nullptr);
  CHECK(find_table("avx1024") == nullptr);
}

TEST_CASE("Selection takes the best row whose features are there") {
  CHECK(std::string(select_table(CpuFeatures{}).name) == "scalar");
  for (const KernelTable& table : compiled_tables()) {
    const CpuFeatures only{static_cast<std::uint32_t>(table.required)};
    CHECK(&select_table(only) == &table);
  }
  CHECK(&select_table(CpuFeatures{~0u}) == &compiled_tables().front());
}

TEST_CASE("This machine runs the row selected for it") {
  const auto tables = runnable_tables();
  REQUIRE_FALSE(tables.empty());
  CHECK(&select_table(detect_cpu()) == tables.front());
  CHECK(std::string(tables.back()->name) == "scalar");
}

TEST_CASE("A row that cannot run says why, one that can says nothing") {
  const CpuFeatures cpu = detect_cpu();
  for (const KernelTable& table : compiled_tables()) {
    CHECK(why_not(table.required, cpu).empty() == cpu.has(table.required));
  }
}

TEST_CASE("An inexact row is an exact one but for its float weights, and is found by name only") {
  const std::string suffix = "+bf16";
  std::set<std::string> names;
  for (const KernelTable& table : inexact_tables()) {
    const std::string name = table.name;
    INFO(name);
    CHECK(names.insert(name).second);
    CHECK(find_table(name) == &table);
    REQUIRE(name.ends_with(suffix));
    const KernelTable* exact = find_table(name.substr(0, name.size() - suffix.size()));
    REQUIRE(exact != nullptr);
    const bool tiles = name == "amx+bf16";
    CHECK(table.required == (exact->required | (tiles ? Feature::kAmxBf16 : Feature::kAvx512Bf16)));
    CHECK_FALSE(table.half.exact);
    CHECK(exact->half.exact);
    CHECK(&table.ternary == &exact->ternary);
    CHECK(&table.ternary_dense == &exact->ternary_dense);
    CHECK(&table.block == &exact->block);
    CHECK(&table.quantize == &exact->quantize);
    CHECK(&table.vector == &exact->vector);
    CHECK(&table.attention == &exact->attention);
  }
  for (const KernelTable& table : compiled_tables()) CHECK(table.half.exact);
}

TEST_CASE("A row that needs two features names the one that is missing") {
  const Feature both = Feature::kAmxInt8 | Feature::kAvx512Bf16;
  using Catch::Matchers::Contains;
  const auto only = [](Feature feature) {
    return CpuFeatures{static_cast<std::uint32_t>(feature)};
  };
  CHECK_THAT(why_not(both, only(Feature::kAmxInt8)), Contains("BF16") && !Contains("AMX"));
  CHECK_THAT(why_not(both, only(Feature::kAvx512Bf16)), Contains("AMX") && !Contains("BF16"));
  CHECK_THAT(why_not(both, {}), Contains("AMX") && Contains("BF16"));
  CHECK(why_not(both, only(both)).empty());
}

}  // namespace
}  // namespace tern::kernels
