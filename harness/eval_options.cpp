#include "harness/eval_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/session.h"
#include "evals/error.h"
#include "evals/task.h"
#include "harness/baselines.h"
#include "harness/error.h"
#include "harness/meter_option.h"
#include "harness/open_tokenizer.h"
#include "harness/options.h"
#include "harness/parse_command.h"

namespace tern::harness {

namespace {

// What is read as text and checked afterwards.
struct Raw {
  std::string tasks, limit, output = "md", cache_k = "f16", cache_v = "f16", threads,
                            ternary_bits = "2", head = "stored", batch = "1", shard = "1/1", seed,
                            multiturn;
  int num_fewshot = -1;
  bool print_prompts = false;
  bool fetch = false;
};

void add_options(CLI::App& app, EvalOptions& o, Raw& raw) {
  app.add_option(
      "--tasks", raw.tasks,
      "Tasks, separated by commas: gsm8k, piqa, mmlu, …, or the .json file of a description");
  app.add_option("-m,--model", o.model, "GGUF file, safetensors folder or synth:NAME");
  app.add_option("--tokenizer", o.tokenizer, kTokenizerHelp);
  app.add_option("-l,--limit", raw.limit,
                 "The first N documents of each task; below 1, that share of them");
  app.add_option("--num-fewshot", raw.num_fewshot,
                 "Examples before each question (default: the task's own; also --num_fewshot)");
  app.add_option("--apply-chat-template", o.chat_template,
                 "Ask in conversations, in the model's chat template or that of a GGUF file, "
                 "Hugging Face folder or .jinja file (also --apply_chat_template)")
      ->type_name("[FILE]")
      ->expected(0, 1);
  app.add_option("--fewshot-as-multiturn", raw.multiturn,
                 "In conversations: examples are turns of their own, true or false "
                 "(default: true; also --fewshot_as_multiturn)")
      ->type_name("[BOOL]")
      ->expected(0, 1);
  app.add_option("--system-instruction", o.style.system_instruction,
                 "A text before everything else (also --system_instruction)");
  app.add_option(
      "--seed", raw.seed,
      "Seed of the few-shot draws [1234], or four as in lm_eval, of which it is the last");
  app.add_option("--data", o.data, "Folder with gsm8k/, piqa/, …");
  app.add_flag("--fetch", raw.fetch, "Fetch the public files of these tasks, and run nothing");
  app.add_option("--baseline", o.baseline,
                 "A second model for the same questions: auto or f16 (the FP16 twin of a ternary "
                 "model), bf16, q8_0, q4_0, a list of them, a model, or none")
      ->capture_default_str();
  app.add_flag("--fp16-twin", o.fp16_twin, "Evaluate the FP16 twin of a ternary model alone");
  app.add_option("--head", raw.head, kHeadHelp);
  app.add_flag("--greedy-head", o.model_options.greedy_head, kGreedyHeadHelp);
  app.add_flag("--skip-zeros", o.model_options.skip_zeros, kSkipZerosHelp);
  app.add_option("--shard", raw.shard,
                 "I/N: only documents I-1, I-1+N, … of each task; --merge joins the parts");
  app.add_option("--merge", o.merge,
                 "Join parts of an evaluation: files of records, or ids of the store; no model");
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
  app.add_option("-b,--batch-size", raw.batch,
                 "Questions asked at once, or auto: as many as memory has room for, at most " +
                     std::to_string(kMostAutoBatch) + " (default: 1; also --batch_size)");
  app.add_option("-o,--output", raw.output, "md or json");
  app.add_option("--output-path", o.output,
                 "Folder, or FILE.json: lm_eval's results and samples files (also --output_path)");
  app.add_flag("--log-samples", o.log_samples,
               "Every answer and its scores, in -o json or --output_path (also --log_samples)");
  app.add_option("--db", o.db, "Store (default: $XDG_DATA_HOME/tern/tern.db)");
  app.add_option("--meter", o.meter, kMeterHelp);
  app.add_flag("--require-energy", o.require_energy, "Exit code 6 unless every joule was measured");
  app.add_flag("--strict", o.strict,
               "Exit code 5 when the environment was unfit; the record is kept");
  app.add_flag("--progress", o.progress, "Without a terminal: one line per item");
}

void add_task(const std::string& name, std::vector<std::string>& names) {
  try {
    evals::find_task(name);
  } catch (const evals::Error& error) {
    const std::string_view what = error.what();  // "tasks: expected one of …", or of a file
    throw Error(fmt::format("{}{}", what.starts_with("tasks:") ? "--" : "--tasks: ", what));
  }
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    throw Error(fmt::format("--tasks: {} is named twice", name));
  }
  names.push_back(name);
}

// Names of tasks and files of descriptions as they are, groups as the tasks in them.
std::vector<std::string> split_tasks(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string name = text.substr(begin, end - begin);
    if (const evals::TaskGroup* group = evals::find_group(name)) {
      for (const std::string& task : group->tasks) add_task(task, names);
    } else {
      add_task(name, names);
    }
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

int parse_batch(const std::string& text) {
  if (text == "auto") return 0;
  int batch = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), batch);
  if (error != std::errc() || end != text.data() + text.size() || batch < 1 ||
      batch > engine::kMostSequences) {
    throw Error(fmt::format("--batch_size: expected auto or a number from 1 to {}, got \"{}\"",
                            engine::kMostSequences, text));
  }
  return batch;
}

// "7" is all of them, "0,1234,1234,7" each of them, as in lm_eval.
void parse_seeds(const std::string& text, std::array<std::uint32_t, 4>& seeds) {
  if (text.empty()) return;
  std::size_t count = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (bool more = true; more && count < seeds.size(); ++count) {
    const auto [behind, error] = std::from_chars(at, end, seeds[count]);
    if (error != std::errc()) break;
    at = behind;
    more = at != end && *at == ',';
    if (more) ++at;
  }
  if (at != end || text.back() == ',' || (count != 1 && count != seeds.size())) {
    throw Error(fmt::format(
        "--seed: expected one whole number, or four separated by commas, got \"{}\"", text));
  }
  if (count == 1) seeds.fill(seeds[0]);
}

bool parse_multiturn(const std::string& text) {
  if (text.empty() || text == "true" || text == "True" || text == "1") return true;
  if (text == "false" || text == "False" || text == "0") return false;
  throw Error(fmt::format("--fewshot_as_multiturn: expected true or false, got \"{}\"", text));
}

EvalMode mode_of(const EvalOptions& o, const Raw& raw) {
  const int asked =
      int{raw.print_prompts} + int{raw.fetch} + int{!o.responses.empty()} + int{!o.merge.empty()};
  if (asked > 1) {
    throw Error("expected one of --print-prompts, --responses, --merge and --fetch, got several");
  }
  if (raw.fetch) return EvalMode::kFetch;
  if (!o.merge.empty()) return EvalMode::kMerge;
  if (raw.print_prompts) return EvalMode::kPrintPrompts;
  return o.responses.empty() ? EvalMode::kRun : EvalMode::kScoreResponses;
}

void check_together(const EvalOptions& o) {
  if (o.mode != EvalMode::kMerge && o.tasks.empty()) {
    throw Error("--tasks: expected the names of tasks, got none; see --help");
  }
  if (o.mode == EvalMode::kRun && o.model.empty()) {
    throw Error("expected a model (-m), got none; see --help");
  }
  if (o.mode == EvalMode::kScoreResponses && o.tasks.size() != 1) {
    throw Error(fmt::format(
        "--responses: expected one task, because the file is one task's, got {}", o.tasks.size()));
  }
  named_twins(o.baseline);  // throws for a list that is none
  if (o.fp16_twin && o.baseline != "none") {
    throw Error("expected --fp16-twin, the twin alone, or --baseline, both models, got both");
  }
  if (o.mode != EvalMode::kRun && o.baseline != "none") {
    throw Error("--baseline: expected an evaluation of a model, and nothing runs here");
  }
  if (o.mode != EvalMode::kRun && o.resume) {
    throw Error("--resume: expected an evaluation of a model, and nothing runs here");
  }
  if (o.mode == EvalMode::kMerge && !(o.tasks.empty() && o.model.empty() && o.shard.whole())) {
    throw Error("--merge: expected no --tasks, -m or --shard, which the records have, got some");
  }
  if (o.mode != EvalMode::kRun && !o.shard.whole()) {
    throw Error("--shard: expected an evaluation of a model, and nothing runs here");
  }
  if (o.mode == EvalMode::kPrintPrompts && !o.output.empty()) {
    throw Error("--output_path: expected scores to write, and --print-prompts has none");
  }
  if (o.log_samples && !o.json && o.output.empty()) {
    throw Error("--log_samples: expected -o json or --output_path, got neither");
  }
}

}  // namespace

std::optional<EvalOptions> parse_eval_options(const std::vector<std::string>& args) {
  CLI::App app("Accuracy of a model, with the joules of every question", "tern eval");
  EvalOptions o;
  Raw raw;
  add_options(app, o, raw);
  if (!parse_command(app, args)) return std::nullopt;
  if (!raw.tasks.empty()) o.tasks = split_tasks(raw.tasks);
  o.style.apply_chat_template = app.count("--apply-chat-template") > 0;
  o.style.fewshot_as_multiturn = parse_multiturn(raw.multiturn);
  o.shard = parse_shard(raw.shard);
  parse_seeds(raw.seed, o.seeds);
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
  o.batch = parse_batch(raw.batch);
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
