#include "harness/bench_options.h"

#include "engine/thread_pool.h"
#include "harness/error.h"
#include "harness/meter_cost.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;

BenchOptions parse(std::vector<std::string> args) {
  args.insert(args.begin(), {"-m", "synth:tiny"});
  return parse_bench_options(args).value();
}

std::string error_of(std::vector<std::string> args, bool with_model = true) {
  if (with_model) args.insert(args.begin(), {"-m", "synth:tiny"});
  try {
    parse_bench_options(args);
  } catch (const Error& error) {
    CHECK(error.code() == 2);
    return error.what();
  }
  return "(accepted)";
}

std::vector<std::string> test_names(const BenchOptions& options) {
  std::vector<std::string> names;
  for (const TestCase& test : options.tests) names.push_back(test.name());
  return names;
}

TEST_CASE("-t sweep doubles up to all physical cores") {
  const int cores = engine::physical_cores();
  const BenchOptions options = parse({"-t", "sweep"});
  CHECK(options.configurations.front().threads == 1);
  CHECK(options.configurations.back().threads == cores);
  for (std::size_t i = 1; i < options.configurations.size(); ++i) {
    const int before = options.configurations[i - 1].threads;
    const int now = options.configurations[i].threads;
    CHECK(now > before);
    CHECK((now == 2 * before || now == cores));
  }
  CHECK_THAT(error_of({"-t", "sweeps"}), Contains("-t"));
}

TEST_CASE("bench has llama-bench's defaults") {
  const BenchOptions options = parse({});
  CHECK(test_names(options) == std::vector<std::string>{"pp512", "tg128"});
  REQUIRE(options.configurations.size() == 1);
  const BenchConfiguration& only = options.configurations[0];
  CHECK(only.model == "synth:tiny");
  CHECK(only.batch == 2048);
  CHECK(only.ubatch == 512);
  CHECK(only.poll == 50);
  CHECK(only.threads == engine::physical_cores());
  CHECK(only.cache_k == kernels::CacheType::kF16);
  CHECK(options.pairs == 5);
  CHECK(options.warmup);
  CHECK(options.output == OutputFormat::kMarkdown);
  CHECK_FALSE(options.output_err.has_value());
  CHECK(options.baseline == "auto");
  CHECK(options.model.ternary_bits == engine::TernaryBits::k2);
}

TEST_CASE("the bits of ternary weights are 2, 1.6 or left to a measurement") {
  CHECK(parse({"--ternary-bits", "1.6"}).model.ternary_bits == engine::TernaryBits::k1_6);
  CHECK(parse({"--ternary-bits", "2"}).model.ternary_bits == engine::TernaryBits::k2);
  CHECK_FALSE(parse({"--ternary-bits", "auto"}).model.ternary_bits.has_value());
  CHECK_THAT(error_of({"--ternary-bits", "1.58"}), Contains("1.6") && Contains("1.58"));
}

TEST_CASE("bench reads lists, ranges, repeated flags and both spellings") {
  const BenchOptions options =
      parse({"-p",   "0,16", "-n",          "8",  "--n-gen", "9",   "-pg",  "4,2",          "-pg",
             "6,3",  "-d",   "0-64+64",     "-t", "1-2",     "-ub", "32",   "--batch_size", "64",
             "-ctk", "f32",  "--no-warmup", "-r", "7",       "-oe", "jsonl"});
  CHECK(test_names(options) == std::vector<std::string>{"pp16", "tg8", "tg9", "pp4+tg2", "pp6+tg3",
                                                        "pp16 @ d64", "tg8 @ d64", "tg9 @ d64",
                                                        "pp4+tg2 @ d64", "pp6+tg3 @ d64"});
  REQUIRE(options.configurations.size() == 2);
  CHECK(options.configurations[0].threads == 1);
  CHECK(options.configurations[1].threads == 2);
  CHECK(options.configurations[1].ubatch == 32);
  CHECK(options.configurations[1].batch == 64);
  CHECK(options.configurations[1].cache_k == kernels::CacheType::kF32);
  CHECK(options.configurations[1].cache_v == kernels::CacheType::kF16);
  CHECK_FALSE(options.warmup);
  CHECK(options.pairs == 7);
  CHECK(options.output_err == OutputFormat::kJsonl);
}

TEST_CASE("what generates does so for each number of sequences") {
  const BenchOptions options =
      parse({"-p", "16", "-n", "8,0", "-pg", "4,2", "-pg", "3,0", "-d", "0,5", "-npl", "1,4"});
  CHECK(test_names(options) == std::vector<std::string>{"pp16", "tg8", "tg8 x4", "pp4+tg2",
                                                        "pp4+tg2 x4", "pp3", "pp16 @ d5",
                                                        "tg8 @ d5", "tg8 x4 @ d5", "pp4+tg2 @ d5",
                                                        "pp4+tg2 x4 @ d5", "pp3 @ d5"});
  CHECK(options.tests_given);
  CHECK(options.tests[4].tokens() == 24);
  CHECK(options.tests[4].positions() == 6);  // of each sequence
  CHECK(options.tests[10].positions() == 11);
}

TEST_CASE("bench multiplies models out, each a configuration of its own") {
  const BenchOptions options = parse({"-m", "synth:125m,synth:350m", "-t", "1,2"});
  REQUIRE(options.configurations.size() == 6);
  CHECK(options.configurations[1].model == "synth:tiny");
  CHECK(options.configurations[5].model == "synth:350m");
}

TEST_CASE("bench refuses bad values in one sentence that names the flag") {
  CHECK_THAT(error_of({"-t", "0"}), Contains("-t: expected at least 1, got 0"));
  CHECK_THAT(error_of({"-t", "100000"}), Contains("-t: expected at most"));
  CHECK_THAT(error_of({"-p", "-5"}), Contains("-p: "));
  CHECK_THAT(error_of({"-p", "many"}), Contains("-p: "));
  CHECK_THAT(error_of({"-n", "-1"}), Contains("-n: "));
  CHECK_THAT(error_of({"-b", "0"}), Contains("-b: "));
  CHECK_THAT(error_of({"-npl", "0"}), Contains("-npl: expected at least 1, got 0"));
  CHECK_THAT(error_of({"-npl", "1,1025"}), Contains("-npl: expected at most 1024, got 1025"));
  CHECK_THAT(error_of({"-ub", "0"}), Contains("-ub: "));
  CHECK_THAT(error_of({"-r", "0"}), Contains("-r: "));
  CHECK_THAT(error_of({"-r", "1,2"}), Contains("-r: expected one number"));
  CHECK_THAT(error_of({"-pg", "5"}), Contains("-pg: expected P,G"));
  CHECK_THAT(error_of({"-o", "yaml"}),
             Contains("-o: expected md, csv, json, jsonl or sql, got \"yaml\""));
  CHECK_THAT(error_of({"-oe", "yaml"}), Contains("-oe: "));
  CHECK_THAT(error_of({"-ctk", "q8_0"}), Contains("-ctk: expected f16 or f32"));
  CHECK_THAT(error_of({"--head", "f16"}), Contains("--head: expected stored, q8_0 or q6_k"));
  CHECK_THAT(error_of({"-ngl", "99"}), Contains("-ngl: expected 0"));
  CHECK_THAT(error_of({"-fa", "1"}), Contains("-fa: expected 0"));
  CHECK_THAT(error_of({"-mmp", "0"}), Contains("-mmp: expected 1"));
  CHECK_THAT(error_of({"-nkvo", "1"}), Contains("--no-kv-offload"));
  CHECK_THAT(error_of({"--poll", "101"}), Contains("--poll: expected 0 to 100"));
  CHECK_THAT(error_of({"--kernels", "quantum"}), Contains("quantum"));
  CHECK_THAT(error_of({"-p", "0", "-n", "0"}), Contains("no test"));
  CHECK_THAT(error_of({"--record"}), Contains("--record"));
  CHECK_THAT(error_of({"--frobnicate"}), Contains("--frobnicate"));
  CHECK_THAT(error_of({"-m", "/no/such/model.gguf"}), Contains("/no/such/model.gguf"));
  CHECK_THAT(error_of({"-m", "synth:none"}), Contains("2b4t"));  // the known names
  CHECK_THAT(error_of({"--baseline", "/no/such/model.gguf"}), Contains("--baseline"));
  CHECK_THAT(error_of({"--baseline", "/no/such/a,b.gguf"}), Contains("there is no model"));
  CHECK_THAT(error_of({"--baseline", "f16,f16"}), Contains("--baseline") && Contains("twice"));
  CHECK(error_of({"--baseline", "f16,bf16,q4_0"}) == "(accepted)");
  CHECK_THAT(error_of({}, false), Contains("-m"));
}

TEST_CASE("the meter's cost is measured on request, over ten pairs unless told otherwise") {
  CHECK(parse({}).meter_cost == 0);
  CHECK(parse({"--meter-cost"}).meter_cost == kMeterCostPairs);
  CHECK(parse({"--meter-cost", "--no-warmup"}).meter_cost == kMeterCostPairs);
  CHECK(parse({"--meter-cost", "24"}).meter_cost == 24);
  CHECK_THAT(error_of({"--meter-cost", "1"}), Contains("--meter-cost"));
  CHECK_THAT(error_of({"--meter-cost", "many"}), Contains("--meter-cost"));
  CHECK_THAT(error_of({"--meter-cost", "2,3"}), Contains("--meter-cost"));
}

TEST_CASE("idle power is measured for ten seconds a side, and not in a quick look") {
  CHECK(parse({}).idle_s == 10);
  CHECK(parse({"--quick"}).idle_s == 0);
  CHECK(parse({"--quick", "--idle", "4"}).idle_s == 4);
  CHECK(parse({"--idle", "0"}).idle_s == 0);
  CHECK_THAT(error_of({"--idle", "1"}), Contains("--idle: expected 0 or 2 to 3600 seconds, got 1"));
  CHECK_THAT(error_of({"--idle", "3601"}), Contains("got 3601"));
  CHECK_THAT(error_of({"--idle", "-3"}), Contains("--idle"));
  CHECK_FALSE(parse({}).estimate);
  CHECK(parse({"--estimate"}).estimate);
}

TEST_CASE("bench accepts what asks for nothing") {
  CHECK_NOTHROW(parse({"-ngl", "0"}));
  CHECK_NOTHROW(parse({"-fa", "0", "-mmp", "1"}));
  CHECK(parse({"-oe", "none"}).output_err == std::nullopt);
}

TEST_CASE("the quick look needs no model but keeps what is given") {
  const BenchOptions bare = parse_bench_options({"--quick"}).value();
  CHECK(bare.quick);
  CHECK_FALSE(bare.model_given);
  CHECK_FALSE(bare.tests_given);
  CHECK_FALSE(bare.pairs_given);
  CHECK(bare.configurations[0].model == kQuickModel);
  const BenchOptions given = parse({"--quick", "-p", "16", "-r", "2"});
  CHECK(given.model_given);
  CHECK(given.tests_given);
  CHECK(given.pairs_given);
}

TEST_CASE("poll maps llama-bench's default on the pool's") {
  CHECK(spin_microseconds(kDefaultPoll) == engine::ThreadPoolOptions{}.spin_us);
  CHECK(spin_microseconds(0) == 0);
}

}  // namespace
}  // namespace tern::harness
