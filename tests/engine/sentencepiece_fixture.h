#pragma once
// A hand-made SentencePiece vocabulary in every file format the tokenizer reads: unknown, BOS, EOS,
// the 256 byte tokens, letters and what merges of them.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/formats/gguf_writer.h"

namespace tern::tests {

struct SentencePieceFixture {
  static constexpr int kUnknown = 0, kBos = 1, kEos = 2, kBytes = 3, kPieces = 259;
  struct Piece {
    std::string text;
    double score;
    std::int64_t type;  // as in GGUF and in tokenizer.model: 1 normal, 2 unknown, 3 control, …
  };

  std::vector<Piece> pieces = all_pieces();
  bool prefix = true;

  static std::string byte_name(int byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", static_cast<unsigned>(byte));
    return text;
  }

  // Letters, and what two of them and more make, in the order in which they merge.
  static std::vector<std::string> merged() {
    return {"he", "ll",          "hell",         "\u2581w", "or", "\u2581wor",
            "ld", "\u2581world", "\u2581\u2581", "hello",   "lo"};
  }

  static std::vector<Piece> all_pieces() {
    std::vector<Piece> all = {{"<unk>", 0, 2}, {"<s>", 0, 3}, {"</s>", 0, 3}};
    for (int byte = 0; byte < 256; ++byte) all.push_back({byte_name(byte), 0, 6});
    double score = -1;
    for (const std::string& text : merged()) all.push_back({text, score--, 1});
    for (const char* text : {"\u2581", "h", "e", "l", "o", "w", "r", "d", "\u4e2d"})
      all.push_back({text, score--, 1});
    all.push_back({"<added>", 0, 4});
    return all;
  }

  int id(const std::string& text) const {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].text == text) return static_cast<int>(i);
    }
    return -1;
  }

  void write_gguf(const std::filesystem::path& path) const {
    std::vector<std::string> tokens;
    std::vector<double> scores;
    std::vector<std::int64_t> types;
    for (const Piece& piece : pieces) {
      tokens.push_back(piece.text);
      scores.push_back(piece.score);
      types.push_back(piece.type);
    }
    engine::GgufWriter writer(path);
    writer.set("general.architecture", std::string("llama"));
    writer.set("tokenizer.ggml.model", std::string("llama"));
    writer.set("tokenizer.ggml.tokens", tokens);
    writer.set("tokenizer.ggml.scores", scores);
    writer.set("tokenizer.ggml.token_type", types);
    writer.set("tokenizer.ggml.bos_token_id", std::uint64_t{kBos});
    writer.set("tokenizer.ggml.eos_token_id", std::uint64_t{kEos});
    writer.set("tokenizer.ggml.unknown_token_id", std::uint64_t{kUnknown});
    if (!prefix) writer.set("tokenizer.ggml.add_space_prefix", false);
    writer.finish();
  }

  // As transformers converts such a vocabulary: every way to cut a piece in two is a merge, in the
  // order of the pieces' scores.
  nlohmann::json json() const {
    using nlohmann::json;
    json vocab = json::object();
    json added = json::array();
    for (std::size_t id = 0; id < pieces.size(); ++id) {
      const Piece& piece = pieces[id];
      if (piece.type != 4) vocab[piece.text] = id;
      if (piece.type == 2 || piece.type == 3 || piece.type == 4)
        added.push_back({{"id", id}, {"content", piece.text}, {"special", piece.type != 4}});
    }
    json normalizers = json::array();
    if (prefix) normalizers.push_back({{"type", "Prepend"}, {"prepend", "\u2581"}});
    normalizers.push_back(replace(" ", "\u2581"));
    json decoders = {replace("\u2581", " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
    if (prefix)
      decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    const json bos = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
    const json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
    return {{"added_tokens", added},
            {"normalizer", {{"type", "Sequence"}, {"normalizers", normalizers}}},
            {"pre_tokenizer", nullptr},
            {"post_processor", {{"type", "TemplateProcessing"}, {"single", {bos, text}}}},
            {"decoder", {{"type", "Sequence"}, {"decoders", decoders}}},
            {"model",
             {{"type", "BPE"},
              {"unk_token", "<unk>"},
              {"fuse_unk", true},
              {"byte_fallback", true},
              {"vocab", vocab},
              {"merges", merges()}}}};
  }

  static nlohmann::json replace(const std::string& from, const std::string& to) {
    return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  }

  std::vector<std::string> merges() const {
    std::vector<Piece> sorted = pieces;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Piece& a, const Piece& b) { return a.score > b.score; });
    std::unordered_map<std::string, int> ids;
    for (std::size_t i = 0; i < pieces.size(); ++i)
      if (pieces[i].type == 1) ids[pieces[i].text] = static_cast<int>(i);
    std::vector<std::string> all;
    for (const Piece& piece : sorted) {
      if (piece.type != 1) continue;
      std::vector<std::pair<int, int>> cuts;
      for (std::size_t cut = 1; cut < piece.text.size(); ++cut) {
        const auto left = ids.find(piece.text.substr(0, cut));
        const auto right = ids.find(piece.text.substr(cut));
        if (left != ids.end() && right != ids.end()) cuts.push_back({left->second, right->second});
      }
      std::sort(cuts.begin(), cuts.end());
      for (const auto& [left, right] : cuts) {
        all.push_back(pieces[static_cast<std::size_t>(left)].text + " " +
                      pieces[static_cast<std::size_t>(right)].text);
      }
    }
    return all;
  }

  // The wire format of a ModelProto, by hand.
  struct Proto {
    std::string bytes;
    void varint(std::uint64_t value) {
      for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
      bytes += static_cast<char>(value);
    }
    Proto& number(unsigned field, std::uint64_t value) {
      varint(field << 3);
      varint(value);
      return *this;
    }
    Proto& text(unsigned field, const std::string& value) {
      varint(field << 3 | 2);
      varint(value.size());
      bytes += value;
      return *this;
    }
    Proto& real(unsigned field, float value) {
      varint(field << 3 | 5);
      for (int i = 0; i < 4; ++i)
        bytes += static_cast<char>(std::bit_cast<std::uint32_t>(value) >> 8 * i & 0xff);
      return *this;
    }
  };

  // model_type 1: unigram, 2: BPE.
  std::string model(std::uint64_t model_type = 2) const {
    Proto file;
    for (const Piece& piece : pieces) {
      Proto one;
      one.text(1, piece.text).real(2, static_cast<float>(piece.score));
      if (piece.type != 1) one.number(3, static_cast<std::uint64_t>(piece.type));
      file.text(1, one.bytes);
    }
    file.text(2, Proto().number(3, model_type).number(35, 1).bytes);
    file.text(3, Proto().text(1, "identity").number(3, prefix ? 1 : 0).number(4, 0).bytes);
    return file.bytes;
  }
};

}  // namespace tern::tests
