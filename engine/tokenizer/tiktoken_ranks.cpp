// A file of tiktoken ranks: "BASE64 RANK" per line, and nothing else. Regular expression and
// special tokens are not in the file; they are taken from Llama 3, whose published loader adds 256
// special tokens behind the ranks.
#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "engine/error.h"
#include "engine/tensor.h"
#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {
namespace {

constexpr int kSpecialTokens = 256;

int sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// False unless `text` is base64 of at least one byte, padded.
bool decode_base64(std::string_view text, std::string& bytes) {
  if (text.empty() || text.size() % 4 != 0) return false;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  text.remove_suffix(padding);
  unsigned buffer = 0;
  int bits = 0;
  for (const char c : text) {
    const int value = sextet(c);
    if (value < 0) return false;
    buffer = (buffer << 6 | static_cast<unsigned>(value)) & 0xfff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>(buffer >> bits & 0xff);
    }
  }
  return (buffer & ((1u << bits) - 1)) == 0;  // what is left over must be zero
}

// The names of Llama 3.0; later versions renamed a few of the reserved ones.
std::string special_name(int i) {
  switch (i) {
    case 0:
      return "<|begin_of_text|>";
    case 1:
      return "<|end_of_text|>";
    case 6:
      return "<|start_header_id|>";
    case 7:
      return "<|end_header_id|>";
    case 8:
      return "<|reserved_special_token_4|>";
    case 9:
      return "<|eot_id|>";
    default:
      return "<|reserved_special_token_" + std::to_string(i < 6 ? i - 2 : i - 5) + "|>";
  }
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& origin) : text_(text), origin_(origin) {}

  Vocabulary read() {
    read_lines();
    index_tokens();
    add_merges();
    const bool llama3 = has_llama3_tokens(vocabulary_.tokens);
    add_special_tokens();
    vocabulary_.ignore_merges = true;
    vocabulary_.add_bos = true;
    vocabulary_.description =
        llama3
            ? "llama-bpe, from tiktoken ranks, which are Llama 3's"
            : "llama-bpe, from tiktoken ranks; they are not Llama 3's own, and are read with its "
              "regular expression and special tokens";
    return std::move(vocabulary_);
  }

 private:
  void read_lines() {
    std::size_t number = 0;
    for (std::size_t at = 0; at < text_.size();) {
      const std::size_t end = std::min(text_.find('\n', at), text_.size());
      std::string_view line = text_.substr(at, end - at);
      if (line.ends_with('\r')) line.remove_suffix(1);
      at = end + 1;
      ++number;
      if (!line.empty()) read_line(line, number);
    }
    if (vocabulary_.tokens.empty()) refuse_vocabulary("ranks", origin_, "some", "none");
  }

  void read_line(std::string_view line, std::size_t number) {
    const std::size_t space = line.find(' ');
    std::string bytes;
    std::size_t rank = 0;
    const char* const end = line.data() + line.size();
    const bool good = space != line.npos && decode_base64(line.substr(0, space), bytes);
    const auto parsed = std::from_chars(good ? line.data() + space + 1 : end, end, rank);
    if (!good || parsed.ec != std::errc() || parsed.ptr != end) {
      refuse_vocabulary("tiktoken ranks, line " + std::to_string(number) + ",", origin_,
                        "a token in base64, a space and its rank", quote_name(line));
    }
    if (rank != vocabulary_.tokens.size() ||
        rank > static_cast<std::size_t>(kMaxTokenId) - kSpecialTokens) {
      refuse_vocabulary("tiktoken ranks, line " + std::to_string(number) + ",", origin_,
                        "rank " + std::to_string(vocabulary_.tokens.size()),
                        "rank " + std::to_string(rank));
    }
    vocabulary_.tokens.push_back({std::move(bytes), TokenKind::kNormal});
  }

  void index_tokens() {
    ids_.reserve(vocabulary_.tokens.size());
    for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      const auto [known, added] = ids_.emplace(vocabulary_.tokens[id].bytes, static_cast<int>(id));
      if (!added) {
        refuse_vocabulary("rank " + std::to_string(id), origin_, "each token once",
                          "the bytes of rank " + std::to_string(known->second));
      }
    }
  }

  // Any two tokens that make a third merge, and the third's rank says when.
  void add_merges() {
    for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      const std::string_view bytes = vocabulary_.tokens[id].bytes;
      for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        const auto left = ids_.find(bytes.substr(0, cut));
        if (left == ids_.end()) continue;
        const auto right = ids_.find(bytes.substr(cut));
        if (right == ids_.end()) continue;
        vocabulary_.merges.push_back(
            {left->second, right->second, static_cast<int>(id), static_cast<std::uint32_t>(id)});
      }
    }
  }

  void add_special_tokens() {
    vocabulary_.bos = static_cast<int>(vocabulary_.tokens.size());
    vocabulary_.eos = vocabulary_.bos + 1;
    for (int i = 0; i < kSpecialTokens; ++i)
      vocabulary_.tokens.push_back({special_name(i), TokenKind::kControl});
  }

  std::string_view text_;
  const std::string& origin_;
  Vocabulary vocabulary_;
  std::unordered_map<std::string_view, int>
      ids_;  // points into vocabulary_, until that grows again
};

}  // namespace

Vocabulary vocabulary_of_ranks(std::string_view text, const std::string& origin) {
  return Reader(text, origin).read();
}

}  // namespace tern::engine
