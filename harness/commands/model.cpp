// tern model: inspect | synth | fetch | logits | tokenize | generate.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/session.h"
#include "engine/synthetic.h"
#include "engine/thread_pool.h"
#include "engine/tokenizer/tokenizer.h"
#include "harness/chat.h"
#include "harness/check_vocabulary.h"
#include "harness/command.h"
#include "harness/error.h"
#include "harness/model_report.h"
#include "harness/open_tokenizer.h"
#include "harness/options.h"
#include "harness/parse_command.h"
#include "harness/prompt_tokens.h"
#include "harness/utf8_stream.h"

namespace tern::harness {
namespace {

// What logits and generate share.
struct RunOptions {
  std::string model;
  std::string tokens;
  std::string kernels;
  std::string ternary_bits = "2";
  std::string cache_k = "f16";
  std::string cache_v = "f16";
  std::string threads;
  std::string head = "stored";
  int batch = 512;
  bool twin = false;
  bool greedy_head = false;  // of generate only
  bool skip_zeros = false;
};

void add_run_options(CLI::App& app, RunOptions& o) {
  app.add_option("-m,--model", o.model, "GGUF file, safetensors folder or synth:NAME")->required();
  app.add_option("--tokens", o.tokens, "Token ids, separated by commas");
  app.add_option("-t,--threads", o.threads, "Threads (default: physical cores)");
  app.add_option("--kernels", o.kernels, "Kernels row (default: the best here; see tern machine)");
  app.add_option("--ternary-bits", o.ternary_bits, kTernaryBitsHelp);
  app.add_option("--cache-type-k", o.cache_k, "Type of cached keys, f16 or f32 (also -ctk)");
  app.add_option("--cache-type-v", o.cache_v, "Type of cached values, f16 or f32 (also -ctv)");
  app.add_option("-b,--batch-size,--ubatch-size", o.batch, "Tokens evaluated together (also -ub)");
  app.add_option("--head", o.head, kHeadHelp);
  app.add_flag("--skip-zeros", o.skip_zeros, kSkipZerosHelp);
  app.add_flag("--fp16-twin", o.twin,
               "Run the FP16 twin of a ternary model: the baseline of tern bench");
}

std::vector<int> parse_tokens(const std::string& text) {
  std::vector<int> tokens;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    int token = 0;
    const auto [next, error] = std::from_chars(at, end, token);
    if (error != std::errc() || token < 0 || (next != end && *next != ',')) {
      throw Error("--tokens: expected token ids separated by commas, got '" + text.substr(0, 60) +
                  "'");
    }
    tokens.push_back(token);
    if (next == end) return tokens;
    at = next + 1;
  }
}

// A loaded model with a session for a given number of positions.
class Runner {
 public:
  Runner(const RunOptions& o, std::int64_t positions)
      : table_(kernels_row(o.kernels)),
        options_{positions, parse_cache_type(o.cache_k, "--cache-type-k"),
                 parse_cache_type(o.cache_v, "--cache-type-v"), check_batch(o.batch)},
        pool_({.threads = parse_threads(o.threads)}),
        model_(engine::Model::load(o.model, table_, pool_,
                                   {.head = parse_head(o.head),
                                    .ternary_bits = parse_ternary_bits(o.ternary_bits),
                                    .greedy_head = o.greedy_head,
                                    .skip_zeros = o.skip_zeros})) {
    if (o.twin) model_ = engine::Model::half_twin(*model_, pool_);
    if (positions > model_->config().context) {
      throw Error(fmt::format("model {}: expected at most {} positions (its context), got {}",
                              o.model, model_->config().context, positions));
    }
    session_ = std::make_unique<engine::Session>(model_, pool_, options_);
  }
  engine::Session& session() { return *session_; }

 private:
  static int check_batch(int batch) {
    if (batch < 1) throw Error(fmt::format("--batch-size: expected at least 1, got {}", batch));
    return batch;
  }
  const kernels::KernelTable& table_;
  engine::SessionOptions options_;
  engine::ThreadPool pool_;
  std::shared_ptr<const engine::Model> model_;
  std::unique_ptr<engine::Session> session_;
};

void print_logits(std::int64_t position, int token, std::span<const float> logits) {
  std::string line = fmt::format("{{\"pos\":{},\"token\":{},\"logits\":[", position, token);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    // Not format_to: clang and g++ name fmt 9's out-of-line half of it differently.
    line += fmt::format("{}{:.9g}", i == 0 ? "" : ",", logits[i]);
  }
  line += "]}\n";
  std::fwrite(line.data(), 1, line.size(), stdout);
}

int run_logits(const std::vector<std::string>& args) {
  CLI::App app("Logits after every token of a prompt, one JSON line each", "tern model logits");
  RunOptions options;
  bool hash_only = false;
  add_run_options(app, options);
  app.get_option("--tokens")->required();
  app.add_flag("--hash", hash_only, "Print only a hash over all logits");
  if (!parse_command(app, args)) return 0;
  const std::vector<int> tokens = parse_tokens(options.tokens);
  Runner runner(options, std::ssize(tokens));
  std::uint64_t hash = engine::kLogitsHashSeed;
  runner.session().prefill_all(tokens, [&](std::int64_t i, std::span<const float> logits) {
    if (hash_only) {
      hash = engine::hash_logits(logits, hash);
    } else {
      print_logits(i, tokens[static_cast<std::size_t>(i)], logits);
    }
  });
  if (hash_only) fmt::print("{:016x}\n", hash);
  return 0;
}

struct GenerateOptions {
  RunOptions run;
  std::string prompt;
  std::string tokenizer;
  int count = 32;
  double temperature = 0;
  bool has_prompt = false;  // else it has --tokens
  bool chat = false;
  bool ids = false;
  bool ignore_eos = false;
};

// False when help was asked for.
bool read_generate_options(const std::vector<std::string>& args, GenerateOptions& o) {
  CLI::App app("Continues a prompt, greedily", "tern model generate");
  add_run_options(app, o.run);
  app.add_option("-p,--prompt", o.prompt, "Text to continue; special tokens in it count as such");
  app.add_option("--tokenizer", o.tokenizer, kTokenizerHelp);
  app.add_flag("--greedy-head", o.run.greedy_head, kGreedyHeadHelp);
  app.add_flag("--chat", o.chat, "The prompt is a message to answer, in the model's chat template");
  app.add_option("-n,--n-predict", o.count, "New tokens, at most");
  app.add_option("--temp", o.temperature, "Temperature; only 0 (greedy) is supported");
  app.add_flag("--ids", o.ids, "Print the new token ids as a JSON array, not the text");
  app.add_flag("--ignore-eos", o.ignore_eos, "Go on behind an end-of-text token");
  if (!parse_command(app, args)) return false;
  if (o.temperature != 0)
    throw Error(fmt::format("--temp: expected 0 (greedy), got {}", o.temperature));
  check_greedy_head(o.run.greedy_head, parse_head(o.run.head));
  if (o.count < 1) throw Error(fmt::format("-n: expected at least 1, got {}", o.count));
  o.has_prompt = app.count("--prompt") > 0;
  if (o.chat && !o.has_prompt) throw Error("--chat: expected --prompt TEXT, got none");
  if (o.has_prompt == (app.count("--tokens") > 0)) {
    throw Error(fmt::format("prompt: expected --prompt TEXT or --tokens IDS, got {}",
                            o.has_prompt ? "both" : "neither"));
  }
  return true;
}

// Each new token goes to `out` as soon as it is known. The last may be an end-of-text token.
void generate(engine::Session& session, const std::vector<int>& prompt, const GenerateOptions& o,
              const engine::Tokenizer* tokenizer, const std::function<void(int)>& out) {
  std::vector<int> ends = {static_cast<int>(session.model().config().eos)};
  if (tokenizer != nullptr) ends = end_tokens(*tokenizer, session.model().config());
  int next = engine::argmax(session.prefill(prompt));
  for (int made = 1;; ++made) {
    out(next);
    if (made == o.count ||
        (!o.ignore_eos && std::find(ends.begin(), ends.end(), next) != ends.end()))
      return;
    next = session.decode_greedy(next);
  }
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::vector<int> read_prompt(const GenerateOptions& o, const engine::Tokenizer& tokenizer) {
  if (!o.chat) return encode_prompt(tokenizer, o.prompt);
  const auto chat = open_chat_template(o.tokenizer.empty() ? o.run.model : o.tokenizer, tokenizer);
  const engine::ChatMessage message{"user", o.prompt};
  return encode_prompt(tokenizer, engine::render(*chat, {&message, 1}, true));
}

int run_generate(const std::vector<std::string>& args) {
  GenerateOptions o;
  if (!read_generate_options(args, o)) return 0;
  std::unique_ptr<engine::Tokenizer> tokenizer;
  // Ids in and ids out need no tokenizer, and many a model file has none.
  if (o.has_prompt || !o.ids || !o.tokenizer.empty())
    tokenizer = open_tokenizer(o.tokenizer.empty() ? o.run.model : o.tokenizer);
  const std::vector<int> prompt =
      o.has_prompt ? read_prompt(o, *tokenizer) : parse_tokens(o.run.tokens);
  if (prompt.empty()) throw Error("--prompt: expected at least one token, got an empty text");
  Runner runner(o.run, std::ssize(prompt) + o.count - 1);
  engine::Session& session = runner.session();
  if (tokenizer) check_tokens(session.model(), *tokenizer);
  if (o.ids) {
    nlohmann::json ids = nlohmann::json::array();
    generate(session, prompt, o, tokenizer.get(), [&](int token) { ids.push_back(token); });
    fmt::print("{}\n", ids.dump());
    return 0;
  }
  Utf8Stream text;
  generate(session, prompt, o, tokenizer.get(), [&](int token) {
    // Rows of the embedding behind the tokenizer's last token have no text.
    if (token < tokenizer->vocab()) print(text.push(tokenizer->piece(token, true)));
  });
  print(text.finish() + "\n");
  return 0;
}

engine::DType synthetic_type(const std::string& text) {
  using engine::DType;
  for (const DType type : {DType::kI2S, DType::kTq2_0, DType::kQ8_0, DType::kQ4_0, DType::kF16}) {
    if (text == name(type)) return type;
  }
  throw Error("--type: expected i2_s, tq2_0, q8_0, q4_0 or f16, got '" + text + "'");
}

int run_synth(const std::vector<std::string>& args) {
  CLI::App app("Writes a synthetic model as a GGUF file that other engines load",
               "tern model synth");
  std::string shape_name;
  std::string out;
  std::string type_name = "i2_s";
  std::string threads;
  std::uint64_t seed = engine::kSyntheticSeed;
  app.add_option("NAME", shape_name,
                 "Shape, with or without synth:; --help of tern bench lists them")
      ->required();
  app.add_option("--out", out, "File to write")->required();
  app.add_option("--type", type_name, "Type of the linear layers: i2_s, tq2_0, q8_0, q4_0 or f16");
  app.add_option("--seed", seed, "Seed of the weights");
  app.add_option("-t,--threads", threads, "Threads (default: physical cores)");
  if (!parse_command(app, args)) return 0;
  if (shape_name.starts_with("synth:")) shape_name.erase(0, 6);
  const engine::SyntheticShape shape = engine::synthetic_shape(shape_name);
  const engine::DType type = synthetic_type(type_name);
  engine::ThreadPool pool({.threads = parse_threads(threads)});
  engine::write_synthetic(shape, seed, type, out, pool);
  fmt::print(stderr, "wrote {} ({} bytes)\n", out, std::filesystem::file_size(out));
  return 0;
}

int run_inspect(const std::vector<std::string>& args) {
  CLI::App app("What a model file holds: metadata, tensors, and whether it runs here",
               "tern model inspect");
  std::string model;
  std::string format = "md";
  app.add_option("-m,--model,MODEL", model, "GGUF file, safetensors folder or synth:NAME")
      ->required();
  app.add_option("-o,--output", format, "md or json");
  if (!parse_command(app, args)) return 0;
  if (format != "md" && format != "json")
    throw Error("-o: expected md or json, got '" + format + "'");
  const nlohmann::json report = inspect_model(model);
  fmt::print("{}\n", format == "json" ? report.dump(2) : inspect_markdown(report));
  return 0;
}

constexpr Command kModelCommands[] = {
    {"inspect", "metadata and tensors of a model file", run_inspect},
    {"synth", "write a synthetic model as GGUF", run_synth},
    {"fetch", "download a model from the Hugging Face hub", run_model_fetch},
    {"logits", "logits after every token", run_logits},
    {"tokenize", "text to token ids and back", run_model_tokenize},
    {"generate", "continue a prompt", run_generate},
};

}  // namespace

int run_model(const std::vector<std::string>& args) {
  std::string list;
  for (const Command& command : kModelCommands) {
    if (!args.empty() && args[0] == command.name)
      return command.run({args.begin() + 1, args.end()});
    list += fmt::format("  {:<10}{}\n", command.name, command.summary);
  }
  if (!args.empty() && (args[0] == "--help" || args[0] == "-h")) {
    fmt::print("usage: tern model COMMAND [OPTIONS]\n\n{}", list);
    return 0;
  }
  throw Error("model: expected inspect, synth, fetch, logits, tokenize or generate, got " +
              (args.empty() ? std::string("nothing") : "'" + args[0] + "'"));
}

}  // namespace tern::harness
