#include "harness/options.h"

#include "harness/error.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using Ints = std::vector<int>;
using Words = std::vector<std::string>;

TEST_CASE("lists and ranges as llama-bench writes them") {
  CHECK(parse_int_list("512", "-p", 0) == Ints{512});
  CHECK(parse_int_list("1,2", "-p", 0) == Ints{1, 2});
  CHECK(parse_int_list("4-8", "-t", 1) == Ints{4, 5, 6, 7, 8});
  CHECK(parse_int_list("0-8192+4096", "-d", 0) == Ints{0, 4096, 8192});
  CHECK(parse_int_list("0-10+4", "-d", 0) == Ints{0, 4, 8});
  CHECK(parse_int_list("1-16*2", "-t", 1) == Ints{1, 2, 4, 8, 16});
  CHECK(parse_int_list("7,1-4*2,5-5", "-t", 1) == Ints{7, 1, 2, 4, 5});
  CHECK(parse_int_list("2147483647", "-n", 0) == Ints{2147483647});
  CHECK(parse_int_list("1-2147483647*2", "-n", 0).size() == 31);
}

TEST_CASE("bad lists are errors that name the flag and the text") {
  for (const char* text : {"", "x", "1,", ",1", "1,,2", "-5", "1-", "1-2+", "1-2x3", "1 2", "+3",
                           "1.5", "99999999999", "1--2", "1-2+-1", "1-8+2+2"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH(parse_int_list(text, "-p", 0),
                      Contains("-p: ") && Contains("got \"" + std::string(text) + "\""));
  }
  CHECK_THROWS_WITH(parse_int_list("0", "-t", 1), "-t: expected at least 1, got 0");
  CHECK_THROWS_WITH(parse_int_list("8-4", "-t", 1), Contains("ends below its start"));
  CHECK_THROWS_WITH(parse_int_list("1-4+0", "-t", 1), Contains("never reaches its end"));
  CHECK_THROWS_WITH(parse_int_list("1-4*1", "-t", 1), Contains("never reaches its end"));
  CHECK_THROWS_WITH(parse_int_list("0-4*2", "-d", 0), Contains("never reaches its end"));
  CHECK_THROWS_WITH(parse_int_list("0-2000000000", "-d", 0), Contains("more than 100000 values"));
  try {
    parse_int_list("0", "-t", 1);
  } catch (const Error& error) {
    CHECK(error.code() == 2);
  }
}

TEST_CASE("spellings of llama-bench become long options") {
  CHECK(rewrite_spellings({"-p", "512", "-pg", "1,2", "-ub=64", "-ctk", "f16", "-ctv=f32"}) ==
        Words{"-p", "512", "--pg", "1,2", "--ubatch-size=64", "--cache-type-k", "f16",
              "--cache-type-v=f32"});
  CHECK(rewrite_spellings({"-oe", "md", "--log_samples", "--out=a_b", "-m", "my_model"}) ==
        Words{"--output-err", "md", "--log-samples", "--out=a_b", "-m", "my_model"});
  CHECK(rewrite_spellings({"-npl", "1,16"}) == Words{"--parallel", "1,16"});
  CHECK(rewrite_spellings({"--", "-pg", "--a_b"}) == Words{"--", "-pg", "--a_b"});
}

TEST_CASE("a kernels row is the asked one or an error") {
  CHECK(std::string(kernels_row("scalar").name) == "scalar");
  CHECK(&kernels_row("") == &kernels::select_table(kernels::detect_cpu()));
  CHECK_THROWS_WITH(kernels_row("mmx"), Contains("\"mmx\"") && Contains("scalar"));
}

TEST_CASE("a kernels row that rounds BF16 in its own way runs only where it is asked for") {
  const kernels::CpuFeatures cpu = kernels::detect_cpu();
  CHECK(kernels_row("").half.exact);
  CHECK_THROWS_WITH(kernels_row("scalar+bf16"), Contains("there is no row \"scalar+bf16\""));
  CHECK_THROWS_WITH(kernels_row("+bf16"), Contains("there is no row \"+bf16\""));
  std::string usable = "scalar";
  const kernels::KernelTable* best = nullptr;
  for (const kernels::KernelTable& table : kernels::inexact_tables()) {
    if (cpu.has(table.required)) {
      CHECK(&kernels_row(table.name) == &table);
      if (best == nullptr) best = &table;
      usable += std::string(", ") + table.name;
    } else {
      CHECK_THROWS_WITH(kernels_row(table.name),
                        Contains("\"" + std::string(table.name) + "\" cannot run here: ") &&
                            Contains(kernels::why_not(table.required, cpu)));
    }
  }
  CHECK_THROWS_WITH(kernels_row("mmx"), Contains(usable));
  CHECK(bf16_row_beside(kernels_row("")) == (best == nullptr ? "" : best->name));
  if (best != nullptr) {
    CHECK(&kernels_row("auto+bf16") == best);
    CHECK(bf16_row_beside(*best).empty());
  } else {
    CHECK_THROWS_WITH(kernels_row("auto+bf16"), Contains("usable here: "));
  }
}

TEST_CASE("cache types") {
  CHECK(parse_cache_type("f16", "-ctk") == kernels::CacheType::kF16);
  CHECK(parse_cache_type("f32", "-ctk") == kernels::CacheType::kF32);
  CHECK(std::string(name(kernels::CacheType::kF32)) == "f32");
  CHECK_THROWS_WITH(parse_cache_type("q8_0", "-ctv"), "-ctv: expected f16 or f32, got \"q8_0\"");
}

TEST_CASE("output heads") {
  CHECK(parse_head("stored") == engine::HeadType::kStored);
  CHECK(parse_head("q8_0") == engine::HeadType::kQ8_0);
  CHECK(parse_head("q6_k") == engine::HeadType::kQ6_K);
  CHECK_THROWS_WITH(parse_head("q4_0"), "--head: expected stored, q8_0 or q6_k, got \"q4_0\"");
}

}  // namespace
}  // namespace tern::harness
