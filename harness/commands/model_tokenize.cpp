// tern model tokenize: JSON strings to token ids and back, one per line.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/tokenizer/tokenizer.h"
#include "harness/command.h"
#include "harness/error.h"
#include "harness/open_tokenizer.h"
#include "harness/parse_command.h"

namespace tern::harness {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kShown = 60;  // of a bad line

[[noreturn]] void refuse(std::size_t line, const std::string& expected, const std::string& got) {
  throw Error(fmt::format("standard input, line {}: expected {}, got {}", line, expected, got));
}

// Printable in one line, whatever it is.
std::string show(const std::string& text) {
  const bool cut = text.size() > kShown;
  return Json(text.substr(0, kShown)).dump(-1, ' ', true, Json::error_handler_t::replace) +
         (cut ? "…" : "");
}

Json parse(const std::string& text, std::size_t line, const std::string& expected) {
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) refuse(line, expected, show(text));
  return value;
}

struct Encoding {
  bool special = false;  // special tokens in the text count as such
  bool whole = false;    // BOS and EOS where the tokenizer puts them
};

std::string encode_line(const engine::Tokenizer& tokenizer, const std::string& text,
                        std::size_t line, Encoding how) {
  const std::string expected = "a JSON string";
  const Json value = parse(text, line, expected);
  if (!value.is_string()) refuse(line, expected, show(text));
  auto ids = tokenizer.encode(value.get_ref<const std::string&>(), how.special);
  if (how.whole && tokenizer.add_bos()) ids.insert(ids.begin(), tokenizer.bos());
  if (how.whole && tokenizer.add_eos()) ids.push_back(tokenizer.eos());
  return Json{{"ids", ids}}.dump();
}

std::vector<int> read_ids(const Json& list, int vocab, const std::string& text, std::size_t line) {
  if (!list.is_array()) refuse(line, "{\"ids\":[…]} or a list of ids", show(text));
  std::vector<int> ids;
  for (const Json& id : list) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= static_cast<std::uint64_t>(vocab))
      refuse(line, fmt::format("ids from 0 to {}", vocab - 1), show(id.dump()));
    ids.push_back(id.get<int>());
  }
  return ids;
}

// Bytes that are not UTF-8 cannot stand in JSON: they become U+FFFD.
std::string decode_line(const engine::Tokenizer& tokenizer, const std::string& text,
                        std::size_t line) {
  const Json value = parse(text, line, "{\"ids\":[…]} or a list of ids");
  const Json& list = value.is_object() && value.contains("ids") ? value["ids"] : value;
  const auto ids = read_ids(list, tokenizer.vocab(), text, line);
  return Json(tokenizer.decode(ids, false)).dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace

int run_model_tokenize(const std::vector<std::string>& args) {
  CLI::App app("Token ids of JSON strings on standard input, one per line", "tern model tokenize");
  std::string model;
  std::string file;
  Encoding how;
  bool decode = false;
  app.add_option("-m,--model", model, "GGUF file or Hugging Face folder whose tokenizer to use");
  app.add_option("--tokenizer", file, kTokenizerHelp);
  app.add_flag("--special", how.special, "Special tokens in the text become their ids");
  app.add_flag("--add-special", how.whole,
               "BOS and EOS around each, where the tokenizer asks for them");
  app.add_flag("--decode", decode, "Back: {\"ids\":[...]} or [...] per line to JSON strings");
  if (!parse_command(app, args)) return 0;
  if (model.empty() && file.empty())
    throw Error("tokenizer: expected -m MODEL or --tokenizer FILE, got neither");
  const auto tokenizer = open_tokenizer(file.empty() ? model : file);
  // Printed when all of it is known to be good: no half results.
  std::string out;
  std::string text;
  for (std::size_t line = 1; std::getline(std::cin, text); ++line) {
    out += decode ? decode_line(*tokenizer, text, line) : encode_line(*tokenizer, text, line, how);
    out += '\n';
  }
  std::fwrite(out.data(), 1, out.size(), stdout);
  return 0;
}

}  // namespace tern::harness
