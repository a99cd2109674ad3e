#pragma once
// A hand-made byte-level vocabulary in every file format the tokenizer reads: the 256 bytes, a few
// merges, a token no merge leads to, special tokens.

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "engine/formats/gguf_writer.h"
#include "engine/tokenizer/byte_alphabet.h"
#include "engine/tokenizer/pretokenizer.h"

namespace tern::tests {

struct TokenizerFixture {
  // The bytes 0 to 255 are the ids 0 to 255.
  static constexpr int kHe = 256, kHell = 258, kHello = 259, kSpaceWorld = 264, kTwoSpaces = 265,
                       k12 = 266, k123 = 267, kXyz = 268, kBegin = 269, kEnd = 270, kEot = 271,
                       kEotLong = 272, kAdded = 273, kVocab = 274;

  static std::vector<std::pair<std::string, std::string>> merges() {
    return {{"h", "e"},   {"l", "l"}, {"he", "ll"},   {"hell", "o"}, {" ", "w"}, {"o", "r"},
            {" w", "or"}, {"l", "d"}, {" wor", "ld"}, {" ", " "},    {"1", "2"}, {"12", "3"}};
  }

  static std::vector<std::string> normal_bytes() {
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    for (const auto& [left, right] : merges()) tokens.push_back(left + right);
    tokens.emplace_back("xyz");
    return tokens;
  }

  static std::vector<std::string> special() {
    return {"<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|eot_id|>!"};
  }

  static nlohmann::json json() {
    using nlohmann::json;
    json vocab = json::object();
    int id = 0;
    for (const std::string& bytes : normal_bytes()) vocab[engine::alphabet_of_bytes(bytes)] = id++;
    json list = json::array();
    for (const auto& [left, right] : merges())
      list.push_back(engine::alphabet_of_bytes(left) + " " + engine::alphabet_of_bytes(right));
    json added = json::array();
    for (const std::string& name : special())
      added.push_back({{"id", id++}, {"content", name}, {"special", true}, {"lstrip", false}});
    added.push_back({{"id", id++}, {"content", "<added>"}, {"special", false}});
    const json split = {{"type", "Split"},
                        {"pattern", {{"Regex", engine::regex_of(engine::SplitRule::kLlama3)}}},
                        {"behavior", "Isolated"},
                        {"invert", false}};
    const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
    const json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
    const json bos = {{"SpecialToken", {{"id", "<|begin_of_text|>"}, {"type_id", 0}}}};
    return {
        {"version", "1.0"},
        {"added_tokens", added},
        {"normalizer", nullptr},
        {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}}},
        {"post_processor", {{"type", "TemplateProcessing"}, {"single", {bos, text}}}},
        {"decoder", {{"type", "ByteLevel"}}},
        {"model", {{"type", "BPE"}, {"ignore_merges", true}, {"vocab", vocab}, {"merges", list}}}};
  }

  // `change` may set keys once more before the file is finished, or nothing of it.
  struct Gguf {
    std::string model = "gpt2", pre = "llama-bpe";  // empty: no such key
    std::vector<std::string> tokens, merges;
    std::vector<std::int64_t> types;
    std::int64_t bos = kBegin;
    bool add_bos_key = true, add_bos = true;
  };

  static Gguf gguf() {
    Gguf file;
    for (const std::string& bytes : normal_bytes())
      file.tokens.push_back(engine::alphabet_of_bytes(bytes));
    file.types.assign(file.tokens.size(), 1);
    for (const std::string& name : special()) {
      file.tokens.push_back(name);
      file.types.push_back(3);
    }
    file.tokens.emplace_back("<added>");
    file.types.push_back(4);
    for (const auto& [left, right] : merges())
      file.merges.push_back(engine::alphabet_of_bytes(left) + " " +
                            engine::alphabet_of_bytes(right));
    return file;
  }

  static void write(const Gguf& file, const std::filesystem::path& path) {
    engine::GgufWriter writer(path);
    writer.set("general.architecture", std::string("llama"));
    if (!file.model.empty()) writer.set("tokenizer.ggml.model", file.model);
    if (!file.pre.empty()) writer.set("tokenizer.ggml.pre", file.pre);
    if (!file.tokens.empty()) writer.set("tokenizer.ggml.tokens", file.tokens);
    if (!file.types.empty()) writer.set("tokenizer.ggml.token_type", file.types);
    if (!file.merges.empty()) writer.set("tokenizer.ggml.merges", file.merges);
    writer.set("tokenizer.ggml.bos_token_id", static_cast<std::uint64_t>(file.bos));
    writer.set("tokenizer.ggml.eos_token_id", std::uint64_t{kEnd});
    if (file.add_bos_key) writer.set("tokenizer.ggml.add_bos_token", file.add_bos);
    writer.finish();
  }

  static std::string base64(const std::string& bytes) {
    static constexpr char kDigits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
      unsigned group = 0;
      for (std::size_t j = 0; j < 3; ++j)
        group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
      for (std::size_t j = 0; j < 4; ++j)
        text += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
    }
    return text;
  }

  static std::string ranks() {
    std::string text;
    int rank = 0;
    for (const std::string& bytes : normal_bytes())
      text += base64(bytes) + " " + std::to_string(rank++) + "\n";
    return text;
  }
};

}  // namespace tern::tests
