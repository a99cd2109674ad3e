#include "harness/bench_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "engine/error.h"
#include "engine/synthetic.h"
#include "engine/thread_pool.h"
#include "harness/baselines.h"
#include "harness/error.h"
#include "harness/idle.h"
#include "harness/meter_cost.h"
#include "harness/meter_option.h"
#include "harness/options.h"
#include "harness/parse_command.h"

namespace tern::harness {

namespace {

constexpr const char* kDescription =
    "Speed and energy of a ternary model against its FP16 baseline, in paired, order-balanced "
    "(ABBA)\n"
    "repetitions of both. pp N evaluates a prompt of N tokens, tg N makes N single-token steps "
    "from an\n"
    "empty cache; tokens are pseudo-random and nothing is sampled. tg N x S makes N steps of S "
    "tokens,\n"
    "one of each of S sequences. Flags and names are llama-bench's.";

// What the user typed, before it is checked.
struct RawOptions {
  std::vector<std::string> models, prompt, gen, prompt_gen, depth, parallel, batch, ubatch, type_k,
      type_v, threads;
  std::vector<std::string> poll, gpu_layers, flash_attention, mmap;
  std::string pairs = "5", delay = "0", idle, output = "md", output_err = "none",
              ternary_bits = "2", head = "stored", meter_cost;
  bool no_warmup = false;
};

// A flag whose value is a list and which may be repeated.
CLI::Option* add_list(CLI::App& app, const char* flag, std::vector<std::string>& target,
                      const char* help) {
  return app.add_option(flag, target, help)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void declare(CLI::App& app, RawOptions& raw, BenchOptions& options) {
  add_list(app, "-m,--model", raw.models, "GGUF file, safetensors folder or synth:NAME")
      ->type_name("MODEL");
  add_list(app, "-p,--n-prompt", raw.prompt, "prompt tokens, 0 for none [512]")->type_name("N");
  add_list(app, "-n,--n-gen", raw.gen, "generated tokens, 0 for none [128]")->type_name("N");
  add_list(app, "--pg", raw.prompt_gen, "-pg: prompt and generation in one window")
      ->type_name("P,G");
  add_list(app, "-d,--n-depth", raw.depth, "tokens in the cache before each test [0]")
      ->type_name("N");
  add_list(app, "--parallel", raw.parallel, "-npl: sequences that generate together [1]")
      ->type_name("N");
  add_list(app, "-b,--batch-size", raw.batch, "[2048]")->type_name("N");
  add_list(app, "--ubatch-size", raw.ubatch, "-ub: tokens evaluated together [512]")
      ->type_name("N");
  add_list(app, "--cache-type-k", raw.type_k, "-ctk: f16 or f32 [f16]")->type_name("TYPE");
  add_list(app, "--cache-type-v", raw.type_v, "-ctv: f16 or f32 [f16]")->type_name("TYPE");
  add_list(app, "-t,--threads", raw.threads,
           "[physical cores]; sweep: 1, 2, 4, … and all physical cores")
      ->type_name("N");
  add_list(app, "--poll", raw.poll, "0 (park at once) to 100 (spin longest) [50]")->type_name("N");
  add_list(app, "--n-gpu-layers", raw.gpu_layers, "-ngl: only 0")->type_name("N");
  add_list(app, "--flash-attn", raw.flash_attention, "-fa: only 0")->type_name("N");
  add_list(app, "--mmap", raw.mmap, "-mmp: only 1, files are memory-mapped")->type_name("N");
  app.add_option("-r,--repetitions", raw.pairs, "pairs of repetitions per test [5]")
      ->type_name("N");
  app.add_option("--delay", raw.delay, "seconds of rest before each test [0]")->type_name("N");
  app.add_option(
         "--idle", raw.idle,
         "seconds of idle power before and after the trials where a meter works, 0 for none "
         "[10; 0 with --quick]")
      ->type_name("SECONDS");
  app.add_option("-o,--output", raw.output, "md, csv, json, jsonl or sql, on stdout [md]")
      ->type_name("FORMAT");
  app.add_option("--output-err", raw.output_err, "-oe: a second format, on stderr")
      ->type_name("FORMAT");
  app.add_flag("--no-warmup", raw.no_warmup, "skip the warm-up before each test");
  app.add_flag("--progress", options.progress, "one line per repetition on stderr");
  app.add_option("--kernels", options.kernels, "force a kernels row (see tern machine)")
      ->type_name("ROW");
  app.add_option("--ternary-bits", raw.ternary_bits, kTernaryBitsHelp)->type_name("BITS");
  app.add_option("--baseline", options.baseline,
                 "auto or f16 (the FP16 twin of a ternary model), bf16, q8_0, q4_0 (twins of those "
                 "types), a list of them (f16,bf16), none, or another model [auto]")
      ->type_name("MODEL");
  app.add_option("--head", raw.head, kHeadHelp)->type_name("TYPE");
  app.add_flag("--greedy-head", options.model.greedy_head, kGreedyHeadHelp);
  app.add_flag("--skip-zeros", options.model.skip_zeros, kSkipZerosHelp);
  app.add_flag("--quick", options.quick, "a first look in about two minutes; -m is optional");
  app.add_option("--db", options.db, "the store of results")->type_name("PATH");
  app.add_flag("--record", options.print_record,
               "print the tern.record/1 document, with -o json or jsonl");
  app.add_flag("--roofline", options.roofline,
               "measure the machine's limits by thread count and show where each test sits");
  app.add_flag("--phases", options.phases,
               "say where a token's time goes, from one extra pass of each test");
  app.add_flag("--estimate", options.estimate,
               "add what the papers' models of operations and bytes give; no measurement");
  app.add_option("--meter", options.meter, kMeterHelp);
  app.add_option("--meter-cost", raw.meter_cost,
                 "measure what the meter itself costs, by pairs of trials with it on and off [10]")
      ->expected(0, 1)
      ->type_name("PAIRS");
  app.add_flag("--require-energy", options.require_energy,
               "fail (exit 6) when energy is not measured");
  app.add_flag("--strict", options.strict,
               "fail (exit 5) when the environment was unfit; the record is kept");
}

std::vector<int> numbers(const std::vector<std::string>& texts, const char* flag, int least,
                         std::vector<int> fallback) {
  if (texts.empty()) return fallback;
  std::vector<int> values;
  for (const std::string& text : texts) {
    const std::vector<int> some = parse_int_list(text, flag, least);
    values.insert(values.end(), some.begin(), some.end());
  }
  return values;
}

// 1, 2, 4, … and all physical cores, for -t sweep.
std::string sweep_threads() {
  const int cores = engine::physical_cores();
  std::string list;
  for (int t = 1; t < cores; t *= 2) list += fmt::format("{},", t);
  return list + fmt::format("{}", cores);
}

int one_number(const std::string& text, const char* flag, int least) {
  const std::vector<int> values = parse_int_list(text, flag, least);
  if (values.size() != 1)
    throw Error(fmt::format("{}: expected one number, got \"{}\"", flag, text));
  return values[0];
}

// One window would not show how idle power scatters, and a window takes a second.
int idle_seconds(const std::string& text, bool quick) {
  constexpr int kMostIdle_s = 3600;
  if (text.empty()) return quick ? 0 : kDefaultIdle_s;
  const int seconds = one_number(text, "--idle", 0);
  if (seconds != 1 && seconds <= kMostIdle_s) return seconds;
  throw Error(fmt::format("--idle: expected 0 or 2 to {} seconds, got {}", kMostIdle_s, seconds));
}

// One pair would give no interval.
int meter_cost_pairs(const CLI::App& app, const std::string& text) {
  if (app.count("--meter-cost") == 0) return 0;
  return text.empty() ? kMeterCostPairs : one_number(text, "--meter-cost", 2);
}

std::vector<std::string> words(const std::vector<std::string>& texts) {
  std::vector<std::string> all;
  for (const std::string& text : texts) {
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find(',', begin), text.size());
      all.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return all;
}

std::vector<kernels::CacheType> cache_types(const std::vector<std::string>& texts,
                                            const char* flag) {
  if (texts.empty()) return {kernels::CacheType::kF16};
  std::vector<kernels::CacheType> types;
  for (const std::string& word : words(texts)) types.push_back(parse_cache_type(word, flag));
  return types;
}

// llama-bench's order: for each depth, the prompts, the generations, then the pairs of both. What
// generates does so once for each number of sequences.
std::vector<TestCase> test_cases(const RawOptions& raw) {
  const std::vector<int> prompts = numbers(raw.prompt, "-p", 0, {512});
  const std::vector<int> gens = numbers(raw.gen, "-n", 0, {128});
  std::vector<TestCase> both;
  for (const std::string& text : raw.prompt_gen) {
    const std::vector<int> pair = parse_int_list(text, "-pg", 0);
    if (pair.size() != 2 || text.find('-') != std::string::npos) {
      throw Error(fmt::format("-pg: expected P,G, got \"{}\"", text));
    }
    both.push_back({.prompt = pair[0], .gen = pair[1]});
  }
  const std::vector<int> parallel = numbers(raw.parallel, "-npl", 1, {1});
  std::vector<TestCase> generating;
  for (const int n : gens) generating.push_back({.gen = n});
  generating.insert(generating.end(), both.begin(), both.end());
  std::vector<TestCase> tests;
  for (const int depth : numbers(raw.depth, "-d", 0, {0})) {
    std::vector<TestCase> here;
    for (const int p : prompts) here.push_back({.prompt = p});
    for (TestCase test : generating) {
      for (const int sequences : parallel) {
        test.sequences = test.gen > 0 ? sequences : 1;
        if (test.gen > 0 || sequences == parallel.front()) here.push_back(test);
      }
    }
    for (TestCase& test : here) {
      test.depth = depth;
      if (test.tokens() > 0) tests.push_back(test);
    }
  }
  if (tests.empty()) throw Error("there is no test to run: -p, -n and -pg are all 0");
  return tests;
}

// Said before anything is loaded: a name that cannot work must not cost the minutes before it is
// its turn.
void check_model(const std::string& model, const char* flag) {
  constexpr std::string_view kSynth = "synth:";
  if (model.starts_with(kSynth)) {
    try {
      engine::synthetic_shape(std::string_view(model).substr(kSynth.size()));
    } catch (const engine::Error& error) {
      throw Error(fmt::format("{}: {}", flag, error.what()));
    }
    return;
  }
  std::error_code ignored;
  if (!std::filesystem::exists(model, ignored)) {
    throw Error(fmt::format(
        "{}: there is no model \"{}\"; expected a GGUF file, a safetensors file or folder, "
        "or synth:NAME",
        flag, model));
  }
}

std::vector<BenchConfiguration> configurations(const RawOptions& raw) {
  const std::vector<int> threads = numbers(raw.threads, "-t", 1, {engine::physical_cores()});
  const std::vector<int> batches = numbers(raw.batch, "-b", 1, {kDefaultBatch});
  const std::vector<int> ubatches = numbers(raw.ubatch, "-ub", 1, {kDefaultUbatch});
  const std::vector<int> polls = numbers(raw.poll, "--poll", 0, {kDefaultPoll});
  const std::vector<kernels::CacheType> ks = cache_types(raw.type_k, "-ctk");
  const std::vector<kernels::CacheType> vs = cache_types(raw.type_v, "-ctv");
  std::vector<BenchConfiguration> all;
  for (const std::string& model : raw.models) {
    for (const int t : threads) {
      for (const int b : batches) {
        for (const int ub : ubatches) {
          for (const int poll : polls) {
            for (const kernels::CacheType k : ks) {
              for (const kernels::CacheType v : vs) all.push_back({model, t, b, ub, poll, k, v});
            }
          }
        }
      }
    }
  }
  return all;
}

// A flag that scripts for llama-bench give and that has one sensible value here.
void check_only(const std::vector<std::string>& texts, const char* flag, std::string_view only,
                const char* why) {
  for (const std::string& text : words(texts)) {
    if (text != only) {
      throw Error(fmt::format("{}: expected {} ({}), got \"{}\"", flag, only, why, text));
    }
  }
}

void check_ranges(const RawOptions& raw) {
  for (const int t : numbers(raw.threads, "-t", 1, {})) {
    if (t > kMostThreads)
      throw Error(fmt::format("-t: expected at most {}, got {}", kMostThreads, t));
  }
  for (const int poll : numbers(raw.poll, "--poll", 0, {})) {
    if (poll > 100) throw Error(fmt::format("--poll: expected 0 to 100, got {}", poll));
  }
  for (const int sequences : numbers(raw.parallel, "-npl", 1, {})) {
    if (sequences > engine::kMostSequences) {
      throw Error(
          fmt::format("-npl: expected at most {}, got {}", engine::kMostSequences, sequences));
    }
  }
  check_only(raw.gpu_layers, "-ngl", "0", "this program measures CPUs and offloads nothing");
  check_only(raw.flash_attention, "-fa", "0", "attention has one implementation");
  check_only(raw.mmap, "-mmp", "1", "model files are always memory-mapped");
}

}  // namespace

int spin_microseconds(int poll) noexcept { return poll * 4; }

std::optional<BenchOptions> parse_bench_options(const std::vector<std::string>& args) {
  BenchOptions options;
  RawOptions raw;
  CLI::App app(kDescription, "tern bench");
  declare(app, raw, options);
  if (!parse_command(app, args)) return std::nullopt;

  options.output = parse_output_format(raw.output, "-o");
  if (raw.output_err != "none") options.output_err = parse_output_format(raw.output_err, "-oe");
  if (options.print_record && options.output != OutputFormat::kJson &&
      options.output != OutputFormat::kJsonl) {
    throw Error("--record: the record is JSON; expected -o json or -o jsonl beside it");
  }
  options.pairs = one_number(raw.pairs, "-r", 1);
  options.pairs_given = app.count("--repetitions") > 0;
  options.delay_s = one_number(raw.delay, "--delay", 0);
  options.meter_cost = meter_cost_pairs(app, raw.meter_cost);
  options.idle_s = idle_seconds(raw.idle, options.quick);
  options.tests_given = !raw.prompt.empty() || !raw.gen.empty() || !raw.prompt_gen.empty() ||
                        !raw.depth.empty() || !raw.parallel.empty();
  options.tests = test_cases(raw);
  options.warmup = !raw.no_warmup;
  for (std::string& text : raw.threads) {
    if (text == "sweep") text = sweep_threads();
  }
  check_ranges(raw);
  kernels_row(options.kernels);
  options.model.ternary_bits = parse_ternary_bits(raw.ternary_bits);
  options.model.head = parse_head(raw.head);
  check_greedy_head(options.model.greedy_head, options.model.head);

  raw.models = words(raw.models);
  options.model_given = !raw.models.empty();
  if (!options.model_given && !options.quick) {
    throw Error(
        "which model? Expected -m MODEL (a GGUF file, a safetensors folder or synth:NAME), or "
        "--quick");
  }
  if (!options.model_given) raw.models = {kQuickModel};
  for (const std::string& model : raw.models) check_model(model, "-m");
  if (options.baseline != "none" && named_twins(options.baseline).empty())
    check_model(options.baseline, "--baseline");
  options.configurations = configurations(raw);
  for (const BenchConfiguration& c : options.configurations) {
    if (!options.model.skip_zeros || std::min(c.batch, c.ubatch) > 1) continue;
    throw Error(
        "--skip-zeros: expected -b and -ub of at least 2, got 1: evaluated one by one, tokens "
        "would skip zeros in the check run too, and nothing would be checked");
  }
  return options;
}

}  // namespace tern::harness
