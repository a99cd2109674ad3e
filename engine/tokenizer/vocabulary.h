#pragma once
// What every tokenizer file comes down to: the bytes of each token, which pairs merge in which
// order, and the few switches. One reader per file format; ids, names and counts are checked by
// them.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tern::engine {

class GgufFile;

enum class TokenKind : std::uint8_t {
  kNone,     // an id between others that the file does not name
  kNormal,   // made by merging bytes
  kAdded,    // matched in the text as a whole, always
  kControl,  // special: matched in the text only when asked for
  kInert,    // has text, but encoding never gives it
};

struct VocabularyToken {
  std::string bytes;
  TokenKind kind = TokenKind::kNone;
};

// Tokens `left` and `right`, side by side, become `result`; the lowest rank goes first.
struct Merge {
  int left = 0;
  int right = 0;
  int result = 0;
  std::uint32_t rank = 0;
};

struct Vocabulary {
  std::vector<VocabularyToken> tokens;  // by id
  std::vector<Merge> merges;
  bool ignore_merges =
      false;     // a piece that is a token as a whole is that token, reachable by merges or not
  int bos = -1;  // -1: none
  int eos = -1;
  bool add_bos = false;
  std::string description;
};

constexpr int kMaxTokenId =
    (1 << 20) - 1;  // no tokenizer comes near; bounds what a bad file can make us allocate

// The readers. All throw Error: "<what> in <origin>: expected …, got …".
Vocabulary vocabulary_of_gguf(const GgufFile& file);
// `config` is the text of the tokenizer_config.json beside it, or empty.
Vocabulary vocabulary_of_json(std::string_view text, const std::string& origin,
                              std::string_view config, const std::string& config_origin);
Vocabulary vocabulary_of_ranks(std::string_view text, const std::string& origin);

// Whether the first 128000 tokens are those of Llama 3 (by fingerprint): all that tells the
// official BitNet GGUF, which names no pre-tokenizer.
bool has_llama3_tokens(std::span<const VocabularyToken> tokens);

// Collects the normal tokens of a file, spelt in the byte alphabet, and the merges that name them.
class AlphabetIndex {
 public:
  explicit AlphabetIndex(std::string origin) : origin_(std::move(origin)) {}

  // `spelling` must outlive the index. Refuses one that comes twice.
  void add(std::string_view spelling, int id);
  // The next merge in rank order. Refuses parts or results that are no tokens.
  void add_merge(std::string_view left, std::string_view right, std::vector<Merge>& merges) const;
  // "left right", split at the first space behind the first character.
  void add_merge(std::string_view pair, std::vector<Merge>& merges) const;
  void reserve(std::size_t count) { ids_.reserve(count); }

 private:
  int find(std::string_view spelling, std::size_t merge) const;
  std::string origin_;
  std::unordered_map<std::string_view, int> ids_;
};

// A normal token: its bytes, or its text as it stands when that is not in the alphabet (then
// nothing can be merged into it).
VocabularyToken normal_token(std::string_view spelling);

[[noreturn]] void refuse_vocabulary(const std::string& what, const std::string& origin,
                                    const std::string& expected, const std::string& got);

}  // namespace tern::engine
