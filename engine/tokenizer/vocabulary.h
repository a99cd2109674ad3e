#pragma once
// What every tokenizer file comes down to: the bytes of each token, which of them merge in which
// order, and the few switches. One reader per file format; ids, names and counts are checked by
// them.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/tokenizer/pretokenizer.h"

namespace tern::engine {

class GgufFile;

enum class TokenKind : std::uint8_t {
  kNone,     // an id between others that the file does not name
  kNormal,   // made of plain text
  kAdded,    // matched in the text as a whole, always
  kControl,  // special: matched in the text only when asked for
  kByte,     // SentencePiece's <0xXX>: one byte of a character that no other token spells
  kInert,    // has text, but encoding never gives it
};

struct VocabularyToken {
  std::string bytes;  // what it stands for in a text: SentencePiece's U+2581 is a space here
  TokenKind kind = TokenKind::kNone;
  // SentencePiece: plain text may become it, or (kInert) does so on the way to other tokens.
  // tokenizer.json also has added tokens that are among these.
  bool piece = false;
  bool normalized = false;  // added and control tokens: looked for behind the normalizer
  float score = 0;          // SentencePiece: the larger goes first; a log-probability in unigrams
};

// Tokens `left` and `right`, side by side, become `result`; the lowest rank goes first.
struct Merge {
  int left = 0;
  int right = 0;
  int result = 0;
  std::uint32_t rank = 0;
};

// How plain text becomes tokens.
enum class Algorithm : std::uint8_t {
  kByteLevel,  // bytes merge in pieces that a regular expression cuts
  kMerges,     // characters merge, in the order of `merges` (SentencePiece in tokenizer.json)
  kScores,     // characters merge where that gives the token of the highest score (SentencePiece)
  kUnigram,    // the segmentation of the largest sum of scores (SentencePiece)
};

// Which text SentencePiece puts a space in front of.
enum class SpacePrefix : std::uint8_t {
  kNone,
  kAlways,       // every stretch between special tokens
  kUnlessSpace,  // every stretch that does not begin with one
  kFirst,        // that at the very start, unless it begins with one
};

struct Vocabulary {
  std::vector<VocabularyToken> tokens;  // by id
  std::vector<Merge> merges;
  Algorithm algorithm = Algorithm::kByteLevel;
  // A piece (kMerges: a text) that is a token as a whole is that token, whatever the merges say.
  bool ignore_merges = false;
  int bos = -1;  // -1: none
  int eos = -1;
  bool add_bos = false;
  bool add_eos = false;
  std::string description;
  std::string warning;  // Tokenizer::warning

  // Byte-level only.
  SplitRule split = SplitRule::kLlama3;
  bool nfc = false;  // text is normalised first

  // SentencePiece only.
  SpacePrefix prefix = SpacePrefix::kNone;
  bool metaspace = false;     // spaces are marked behind the normalizer: see VocabularyToken
  bool split_words = false;   // tokens do not reach across spaces
  bool strip_prefix = false;  // decoding drops one space at the start of a text
  bool fuse_unknown = false;  // neighbouring unknown characters are one token
  int unknown = -1;           // -1: none
};

constexpr int kMaxTokenId =
    (1 << 20) - 1;  // no tokenizer comes near; bounds what a bad file can make us allocate

// The readers. All throw Error: "<what> in <origin>: expected …, got …".
Vocabulary vocabulary_of_gguf(const GgufFile& file);
// `config` is the text of the tokenizer_config.json beside it, or empty.
Vocabulary vocabulary_of_json(std::string_view text, const std::string& origin,
                              std::string_view config, const std::string& config_origin);
Vocabulary vocabulary_of_ranks(std::string_view text, const std::string& origin);
// SentencePiece's own tokenizer.model.
Vocabulary vocabulary_of_sentencepiece(std::string_view bytes, const std::string& origin);

// Whether the first 128000 tokens are those of Llama 3 (by fingerprint): all that tells the
// official BitNet GGUF, which names no pre-tokenizer.
bool has_llama3_tokens(std::span<const VocabularyToken> tokens);

// Collects the normal tokens of a file as it spells them, and the merges that name them.
class SpellingIndex {
 public:
  explicit SpellingIndex(std::string origin) : origin_(std::move(origin)) {}

  // `spelling` must outlive the index. Refuses one that comes twice.
  void add(std::string_view spelling, int id);
  // The next merge in rank order. Refuses parts or results that are no tokens.
  void add_merge(std::string_view left, std::string_view right, std::vector<Merge>& merges) const;
  // "left right", split at the first space behind the first character.
  void add_merge(std::string_view pair, std::vector<Merge>& merges) const;
  void reserve(std::size_t count) { ids_.reserve(count); }
  std::optional<int> find(std::string_view spelling) const;

 private:
  int part(std::string_view spelling, std::size_t merge) const;
  std::string origin_;
  std::unordered_map<std::string_view, int> ids_;
};

// A normal token in the byte alphabet: its bytes, or its text as it stands when that is not in the
// alphabet (then nothing can be merged into it).
VocabularyToken normal_token(std::string_view spelling);

// SentencePiece writes spaces as U+2581 (kSpaceMark); text and tokens have spaces instead.
constexpr std::string_view kSpaceMark = "\xe2\x96\x81";
std::string unmarked(std::string_view text);

// A SentencePiece token that plain text may become.
VocabularyToken sentencepiece_token(std::string_view spelling);
// The byte of "<0x0A>"; -1 when `spelling` is not of this form.
int byte_of_token(std::string_view spelling);

[[noreturn]] void refuse_vocabulary(const std::string& what, const std::string& origin,
                                    const std::string& expected, const std::string& got);

}  // namespace tern::engine
