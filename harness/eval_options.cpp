#include "harness/eval_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>

#include "evals/error.h"
#include "evals/task.h"
#include "harness/error.h"
#include "harness/meter_option.h"
#include "harness/options.h"
#include "harness/parse_command.h"

namespace tern::harness {

namespace {

// What is read as text and checked afterwards.
struct Raw {
  std::string tasks, limit, output = "md", cache_k = "f16", cache_v = "f16", threads,
                            ternary_bits = "2", head = "stored";
  int num_fewshot = -1;
  bool print_prompts = false;
  bool fetch = false;
};

void add_options(CLI::App& app, EvalOptions& o, Raw& raw) {
  app.add_option("--tasks", raw.tasks, "Tasks, separated by commas: gsm8k, piqa")->required();
  app.add_option("-m,--model", o.model, "GGUF file, safetensors folder or synth:NAME");
  app.add_option("--tokenizer", o.tokenizer,
                 "GGUF vocabulary, tokenizer.json or tiktoken ranks, for models without one");
  app.add_option("-l,--limit", raw.limit,
                 "The first N documents of each task; below 1, that share of them");
  app.add_option("--num-fewshot", raw.num_fewshot,
                 "Examples before each question (default: the task's own; also --num_fewshot)");
  app.add_option("--data", o.data, "Folder with gsm8k/, piqa/");
  app.add_flag("--fetch", raw.fetch, "Fetch the public files of these tasks, and run nothing");
  app.add_flag("--fp16-twin", o.fp16_twin, "Evaluate the FP16 twin of a ternary model");
  app.add_option("--head", raw.head, kHeadHelp);
  app.add_flag("--greedy-head", o.model_options.greedy_head, kGreedyHeadHelp);
  app.add_flag("--skip-zeros", o.model_options.skip_zeros, kSkipZerosHelp);
  app.add_flag("--resume", o.resume, "Go on with the unfinished evaluation of the same kind");
  app.add_flag("--print-prompts", raw.print_prompts,
               "Print what would be asked, one JSON line per document, and run nothing");
  app.add_option(
      "--responses", o.responses,
      "Score answers made elsewhere: lines of {\"doc_id\":0,\"response\":\"…\"}; no model");
  app.add_option("-t,--threads", raw.threads, "Threads (default: physical cores)");
  app.add_option("--kernels", o.kernels, "Kernels row (default: the best here; see tern machine)");
  app.add_option("--ternary-bits", raw.ternary_bits, kTernaryBitsHelp);
  app.add_option("--cache-type-k", raw.cache_k, "Type of cached keys, f16 or f32 (also -ctk)");
  app.add_option("--cache-type-v", raw.cache_v, "Type of cached values, f16 or f32 (also -ctv)");
  app.add_option(
         "-c,--ctx-size", o.context,
         fmt::format("Positions (default: the model's context, at most {})", kDefaultEvalContext))
      ->check(CLI::PositiveNumber);
  o.ubatch = 512;
  app.add_option("--ubatch-size", o.ubatch, "Tokens evaluated together (also -ub)")
      ->check(CLI::PositiveNumber);
  app.add_option("-o,--output", raw.output, "md or json");
  app.add_flag("--log-samples", o.log_samples,
               "With -o json: every answer and its scores (also --log_samples)");
  app.add_option("--db", o.db, "Store (default: $XDG_DATA_HOME/tern/tern.db)");
  app.add_option("--meter", o.meter, kMeterHelp);
  app.add_flag("--require-energy", o.require_energy, "Exit code 6 unless every joule was measured");
  app.add_flag("--strict", o.strict,
               "Exit code 5 when the environment was unfit; the record is kept");
  app.add_flag("--progress", o.progress, "Without a terminal: one line per item");
}

std::vector<std::string> split_tasks(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string name = text.substr(begin, end - begin);
    try {
      evals::find_task(name);
    } catch (const evals::Error& error) {
      throw Error(std::string("--") + error.what());  // "tasks: expected one of …"
    }
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      throw Error(fmt::format("--tasks: {} is named twice", name));
    }
    names.push_back(name);
    begin = end + 1;
  }
  return names;
}

std::optional<double> parse_limit(const std::string& text) {
  if (text.empty()) return std::nullopt;
  double limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  const bool whole = limit >= 1 && limit <= 1e9 && limit == std::floor(limit);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(whole || (limit > 0 && limit < 1))) {
    throw Error(fmt::format(
        "--limit: expected a whole number of documents, or a share between 0 and 1, got \"{}\"",
        text));
  }
  return limit;
}

EvalMode mode_of(const EvalOptions& o, const Raw& raw) {
  if (int{raw.print_prompts} + int{raw.fetch} + int{!o.responses.empty()} > 1) {
    throw Error("expected one of --print-prompts, --responses and --fetch, got several");
  }
  if (raw.fetch) return EvalMode::kFetch;
  if (raw.print_prompts) return EvalMode::kPrintPrompts;
  return o.responses.empty() ? EvalMode::kRun : EvalMode::kScoreResponses;
}

void check_together(const EvalOptions& o) {
  if (o.mode == EvalMode::kRun && o.model.empty()) {
    throw Error("expected a model (-m), got none; see --help");
  }
  if (o.mode == EvalMode::kScoreResponses && o.tasks.size() != 1) {
    throw Error(fmt::format(
        "--responses: expected one task, because the file is one task's, got {}", o.tasks.size()));
  }
  if (o.mode != EvalMode::kRun && o.resume) {
    throw Error("--resume: expected an evaluation of a model, and nothing runs here");
  }
  if (o.log_samples && !o.json) throw Error("--log_samples: expected -o json, got -o md");
}

}  // namespace

std::optional<EvalOptions> parse_eval_options(const std::vector<std::string>& args) {
  CLI::App app("Accuracy of a model, with the joules of every question", "tern eval");
  EvalOptions o;
  Raw raw;
  add_options(app, o, raw);
  if (!parse_command(app, args)) return std::nullopt;
  o.tasks = split_tasks(raw.tasks);
  o.limit = parse_limit(raw.limit);
  if (raw.num_fewshot != -1) {
    if (raw.num_fewshot < 0) {
      throw Error(fmt::format("--num_fewshot: expected at least 0, got {}", raw.num_fewshot));
    }
    o.num_fewshot = raw.num_fewshot;
  }
  if (raw.output != "md" && raw.output != "json") {
    throw Error(fmt::format("-o: expected md or json, got \"{}\"", raw.output));
  }
  o.json = raw.output == "json";
  o.threads = parse_threads(raw.threads);
  o.model_options.ternary_bits = parse_ternary_bits(raw.ternary_bits);
  o.cache_k = parse_cache_type(raw.cache_k, "--cache-type-k");
  o.cache_v = parse_cache_type(raw.cache_v, "--cache-type-v");
  o.model_options.head = parse_head(raw.head);
  check_greedy_head(o.model_options.greedy_head, o.model_options.head);
  o.mode = mode_of(o, raw);
  check_together(o);
  return o;
}

std::size_t limited(std::size_t size, const std::optional<double>& limit) noexcept {
  if (!limit.has_value()) return size;
  const double count = *limit < 1 ? std::ceil(static_cast<double>(size) * *limit) : *limit;
  return std::min(size, static_cast<std::size_t>(count));
}

}  // namespace tern::harness
