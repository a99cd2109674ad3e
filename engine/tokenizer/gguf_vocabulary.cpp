// The vocabulary in a GGUF file's metadata (tokenizer.ggml.*).
#include <algorithm>
#include <array>
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
};

// Names of tokenizer.ggml.pre whose regular expression and rules are Llama 3's.
constexpr std::array<std::string_view, 4> kLlama3Names = {"llama-bpe", "llama3", "llama-v3",
                                                          "falcon3"};
constexpr std::size_t kLlama3Vocab = 128256;

class Reader {
 public:
  explicit Reader(const GgufFile& file) : file_(file), index_(file.origin()) {}

  Vocabulary read() {
    check_model();
    read_tokens();
    recognise();
    read_merges();
    vocabulary_.ignore_merges = true;
    vocabulary_.bos = special_id("tokenizer.ggml.bos_token_id");
    vocabulary_.eos = special_id("tokenizer.ggml.eos_token_id");
    // Llama 3's prompts begin with BOS unless the file says otherwise.
    vocabulary_.add_bos =
        file_.boolean("tokenizer.ggml.add_bos_token").value_or(true) && vocabulary_.bos >= 0;
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

  void check_model() const {
    const auto model = file_.string("tokenizer.ggml.model");
    if (!model) refuse("tokenizer.ggml.model", "'gpt2'", "no such key: the file has no tokenizer");
    if (*model == "llama")
      refuse("tokenizer.ggml.model", "'gpt2'",
             "'llama' (SentencePiece), which is not supported yet");
    if (*model != "gpt2")
      refuse("tokenizer.ggml.model", "'gpt2'", quote_name(*model) + ", which is not supported");
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
      if (tokens[id].empty())
        refuse("token " + std::to_string(id), "a text of one byte or more", "an empty one");
      vocabulary_.tokens.push_back(token_of(tokens[id], id, type));
      if (type == kNormalType) index_.add(tokens[id], static_cast<int>(id));
    }
  }

  VocabularyToken token_of(const std::string& text, std::size_t id, std::int64_t type) const {
    switch (type) {
      case kNormalType:
        return normal_token(text);
      case kUnknownType:
      case kControlType:
        return {text, TokenKind::kControl};
      case kUserDefinedType:
        return {text, TokenKind::kAdded};
      case kUnusedType:
        return {text, TokenKind::kInert};
      default:
        refuse("type of token " + std::to_string(id), "1 to 5, as in a byte-level vocabulary",
               std::to_string(type));
    }
  }

  // Which pre-tokenizer. Guessing one would give wrong ids without a word, so nothing is guessed:
  // either the file names it or its tokens are Llama 3's.
  void recognise() {
    const auto pre = file_.string("tokenizer.ggml.pre");
    if (!pre) {
      if (vocabulary_.tokens.size() != kLlama3Vocab || !has_llama3_tokens(vocabulary_.tokens)) {
        refuse("tokenizer.ggml.pre", "the name of a pre-tokenizer or the tokens of Llama 3",
               "neither, so how to cut text into pieces is unknown");
      }
      vocabulary_.description =
          "llama-bpe, from GGUF; the file names no pre-tokenizer, its tokens are Llama 3's";
      return;
    }
    if (std::find(kLlama3Names.begin(), kLlama3Names.end(), *pre) == kLlama3Names.end()) {
      refuse("tokenizer.ggml.pre", "'llama-bpe' (or 'llama3', 'llama-v3', 'falcon3')",
             quote_name(*pre) + ", which is not supported");
    }
    vocabulary_.description = "llama-bpe, from GGUF";
    if (*pre != "llama-bpe") vocabulary_.description += " (named " + quote_name(*pre) + ")";
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
  AlphabetIndex index_;
  Vocabulary vocabulary_;
};

}  // namespace

Vocabulary vocabulary_of_gguf(const GgufFile& file) { return Reader(file).read(); }

}  // namespace tern::engine
