// The vocabulary in a GGUF file's metadata (tokenizer.ggml.*): model "gpt2" is byte-level BPE,
// "llama" is SentencePiece's BPE by scores (Llama 2, Gemma).
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "engine/error.h"
#include "engine/formats/gguf.h"
#include "engine/tensor.h"
#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {
namespace {

// tokenizer.ggml.token_type
enum GgufTokenType : std::int64_t {
  kNormalType = 1,
  kUnknownType = 2,
  kControlType = 3,
  kUserDefinedType = 4,
  kUnusedType = 5,
  kByteType = 6,
};

// What a name in tokenizer.ggml.pre says. Names and rules as in llama.cpp, and Qwen 2's NFC as in
// its tokenizer.json (llama.cpp leaves text as it is).
struct Pre {
  std::string_view name;
  SplitRule split;
  bool ignore_merges, add_bos, nfc;
};
constexpr std::array<Pre, 7> kPres = {{
    {"llama-bpe", SplitRule::kLlama3, true, true, false},
    {"llama3", SplitRule::kLlama3, true, true, false},
    {"llama-v3", SplitRule::kLlama3, true, true, false},
    {"falcon3", SplitRule::kLlama3, true, true, false},
    {"falcon-h1", SplitRule::kLlama3, true, true, false},
    {"qwen2", SplitRule::kQwen2, false, false, true},
    {"gpt-2", SplitRule::kGpt2, false, false, false},
}};
constexpr std::size_t kLlama3Vocab = 128256;

class Reader {
 public:
  explicit Reader(const GgufFile& file) : file_(file), index_(file.origin()) {}

  Vocabulary read() {
    read_model();
    read_tokens();
    bool add_bos = true;
    if (sentencepiece()) {
      read_sentencepiece();
    } else {
      const Pre pre = recognise();
      read_merges();
      vocabulary_.split = pre.split;
      vocabulary_.ignore_merges = pre.ignore_merges;
      vocabulary_.nfc = pre.nfc;
      add_bos = pre.add_bos;
    }
    vocabulary_.bos = special_id("tokenizer.ggml.bos_token_id");
    vocabulary_.eos = special_id("tokenizer.ggml.eos_token_id");
    vocabulary_.add_bos =
        vocabulary_.bos >= 0 && file_.boolean("tokenizer.ggml.add_bos_token").value_or(add_bos);
    vocabulary_.add_eos =
        vocabulary_.eos >= 0 && file_.boolean("tokenizer.ggml.add_eos_token").value_or(false);
    return std::move(vocabulary_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what, const std::string& expected,
                           const std::string& got) const {
    refuse_vocabulary(what, file_.origin(), expected, got);
  }

  template <class T>
  const std::vector<T>* array(const std::string& key) const {
    const auto found = file_.metadata().find(key);
    return found == file_.metadata().end() ? nullptr : std::get_if<std::vector<T>>(&found->second);
  }

  const std::vector<std::string>& strings(const std::string& key) const {
    const auto* values = array<std::string>(key);
    if (values == nullptr) {
      refuse(key, "an array of strings",
             file_.metadata().contains(key) ? "something else" : "no such key");
    }
    return *values;
  }

  bool sentencepiece() const { return vocabulary_.algorithm == Algorithm::kScores; }

  void read_model() {
    const std::string key = "tokenizer.ggml.model";
    const std::string expected = "'gpt2' or 'llama' (SentencePiece)";
    const auto model = file_.string(key);
    if (!model) refuse(key, expected, "no such key: the file has no tokenizer");
    if (*model == "llama") {
      vocabulary_.algorithm = Algorithm::kScores;
    } else if (*model != "gpt2") {
      refuse(key, expected, quote_name(*model) + ", which is not supported");
    }
  }

  std::int64_t type_of(std::size_t id, std::size_t count) const {
    const std::string key = "tokenizer.ggml.token_type";
    const auto* values = array<std::int64_t>(key);
    const auto* unsigned_values = array<std::uint64_t>(key);
    const std::size_t size = values != nullptr            ? values->size()
                             : unsigned_values != nullptr ? unsigned_values->size()
                                                          : 0;
    if (size != count) {
      refuse(key, "an array of " + std::to_string(count) + " integers, one for each token",
             !file_.metadata().contains(key) ? "no such key" : std::to_string(size));
    }
    return values != nullptr ? (*values)[id] : static_cast<std::int64_t>((*unsigned_values)[id]);
  }

  void read_tokens() {
    const auto& tokens = strings("tokenizer.ggml.tokens");
    if (tokens.empty() || tokens.size() > static_cast<std::size_t>(kMaxTokenId) + 1) {
      refuse("tokenizer.ggml.tokens", "1 to " + std::to_string(kMaxTokenId + 1) + " tokens",
             std::to_string(tokens.size()));
    }
    index_.reserve(tokens.size());
    vocabulary_.tokens.reserve(tokens.size());
    for (std::size_t id = 0; id < tokens.size(); ++id) {
      const std::int64_t type = type_of(id, tokens.size());
      // Files of padded vocabularies have such; they are never met in a text.
      if (tokens[id].empty() && !sentencepiece())
        refuse("token " + std::to_string(id), "a text of one byte or more", "an empty one");
      vocabulary_.tokens.push_back(token_of(tokens[id], id, type));
      if (type == kNormalType && !tokens[id].empty()) index_.add(tokens[id], static_cast<int>(id));
    }
  }

  VocabularyToken token_of(const std::string& text, std::size_t id, std::int64_t type) const {
    if (text.empty()) return {text, TokenKind::kInert};
    switch (type) {
      case kNormalType:
        return sentencepiece() ? sentencepiece_token(text) : normal_token(text);
      case kUnknownType:
      case kControlType:
        return {text, TokenKind::kControl};
      case kUserDefinedType:
        return {sentencepiece() ? unmarked(text) : text, TokenKind::kAdded};
      case kUnusedType:
        return unused_token(text);
      case kByteType:
        if (sentencepiece()) return byte_token(text, id);
        break;
      default:
        break;
    }
    refuse("type of token " + std::to_string(id),
           sentencepiece() ? "1 to 6" : "1 to 5, as in a byte-level vocabulary",
           std::to_string(type));
  }

  VocabularyToken unused_token(const std::string& text) const {
    VocabularyToken token = sentencepiece() ? sentencepiece_token(text) : VocabularyToken{text};
    token.kind = TokenKind::kInert;
    return token;
  }

  VocabularyToken byte_token(const std::string& text, std::size_t id) const {
    const int byte = byte_of_token(text);
    if (byte < 0)
      refuse("token " + std::to_string(id) + " (a byte)", "'<0x00>' to '<0xFF>'", quote_name(text));
    return {std::string(1, static_cast<char>(byte)), TokenKind::kByte};
  }

  void read_sentencepiece() {
    read_scores();
    const std::string extra = "tokenizer.ggml.remove_extra_whitespaces";
    if (file_.boolean(extra).value_or(false))
      refuse(extra, "false", "true, which is not supported");
    const bool prefix = file_.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
    vocabulary_.prefix = prefix ? SpacePrefix::kAlways : SpacePrefix::kNone;
    vocabulary_.strip_prefix = prefix;
    vocabulary_.fuse_unknown = true;
    vocabulary_.unknown = special_id("tokenizer.ggml.unknown_token_id");
    vocabulary_.description = "SentencePiece BPE, from GGUF";
  }

  void read_scores() {
    const std::string key = "tokenizer.ggml.scores";
    const auto* scores = array<double>(key);
    if (scores == nullptr || scores->size() != vocabulary_.tokens.size()) {
      refuse(key,
             "an array of " + std::to_string(vocabulary_.tokens.size()) +
                 " floats, one for each token",
             scores != nullptr                ? std::to_string(scores->size())
             : file_.metadata().contains(key) ? "something else"
                                              : "no such key");
    }
    for (std::size_t id = 0; id < scores->size(); ++id) {
      const double score = (*scores)[id];
      if (!(std::abs(score) <= double{std::numeric_limits<float>::max()})) {
        refuse("score of token " + std::to_string(id), "a finite float", std::to_string(score));
      }
      vocabulary_.tokens[id].score = static_cast<float>(score);
    }
  }

  // Which pre-tokenizer. Guessing one would give wrong ids without a word, so nothing is guessed:
  // either the file names it or its tokens are Llama 3's.
  Pre recognise() {
    const auto named = file_.string("tokenizer.ggml.pre");
    if (!named) return recognise_llama3();
    const auto* const pre =
        std::find_if(kPres.begin(), kPres.end(), [&](const Pre& p) { return p.name == *named; });
    if (pre == kPres.end()) {
      std::string known;
      for (const Pre& p : kPres) known += (known.empty() ? "" : ", ") + quote_name(p.name);
      refuse("tokenizer.ggml.pre", "one of " + known,
             quote_name(*named) + ", which is not supported");
    }
    vocabulary_.description = std::string(name(pre->split)) + ", from GGUF";
    if (*named != name(pre->split))
      vocabulary_.description += " (named " + quote_name(*named) + ")";
    return *pre;
  }

  Pre recognise_llama3() {
    if (vocabulary_.tokens.size() != kLlama3Vocab || !has_llama3_tokens(vocabulary_.tokens)) {
      refuse("tokenizer.ggml.pre", "the name of a pre-tokenizer or the tokens of Llama 3",
             "neither, so how to cut text into pieces is unknown");
    }
    vocabulary_.description =
        "llama-bpe, from GGUF; the file names no pre-tokenizer, its tokens are Llama 3's";
    vocabulary_.warning =
        file_.origin() +
        " names no pre-tokenizer: its tokens are Llama 3's, so text is cut as for "
        "Llama 3; engines that take their default instead get other ids";
    return kPres[0];
  }

  void read_merges() {
    const auto& merges = strings("tokenizer.ggml.merges");
    vocabulary_.merges.reserve(merges.size());
    for (const std::string& merge : merges) index_.add_merge(merge, vocabulary_.merges);
  }

  int special_id(const std::string& key) const {
    const auto id = file_.integer(key);
    if (!id) return -1;
    if (*id < 0 || *id >= std::ssize(vocabulary_.tokens)) {
      refuse(key, "an id below " + std::to_string(vocabulary_.tokens.size()), std::to_string(*id));
    }
    return static_cast<int>(*id);
  }

  const GgufFile& file_;
  SpellingIndex index_;
  Vocabulary vocabulary_;
};

}  // namespace

Vocabulary vocabulary_of_gguf(const GgufFile& file) { return Reader(file).read(); }

}  // namespace tern::engine
