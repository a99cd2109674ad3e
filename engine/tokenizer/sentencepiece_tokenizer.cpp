#include "engine/tokenizer/sentencepiece_tokenizer.h"

#include <algorithm>
#include <utility>

#include "engine/tokenizer/piece_encoder.h"
#include "engine/tokenizer/vocabulary_tokenizer.h"

namespace tern::engine {
namespace {

std::unique_ptr<PieceEncoder> make_encoder(const Vocabulary& vocabulary) {
  switch (vocabulary.algorithm) {
    case Algorithm::kMerges:
      return make_merge_encoder(vocabulary);
    case Algorithm::kUnigram:
      return make_unigram_encoder(vocabulary);
    default:
      return make_score_encoder(vocabulary);
  }
}

class SentencePieceTokenizer final : public VocabularyTokenizer {
 public:
  explicit SentencePieceTokenizer(Vocabulary read)
      : VocabularyTokenizer(std::move(read)), encoder_(make_encoder(vocabulary())) {
    index_special_tokens();
  }

 private:
  std::string_view normalize(std::string_view text, std::string& scratch) const override {
    return vocabulary().metaspace ? text : mark(text, true, scratch);
  }

  void encode_plain(std::string_view text, bool first, std::vector<int>& ids) const override {
    std::string scratch;
    if (vocabulary().metaspace) text = mark(text, first, scratch);
    while (!text.empty()) {
      const std::size_t space = vocabulary().split_words ? text.find(' ', 1) : text.npos;
      const std::string_view word = text.substr(0, space);
      encoder_->encode(word, ids);
      text.remove_prefix(word.size());
    }
  }

  // The text with its marks read as spaces, and with the space in front that is due.
  std::string_view mark(std::string_view text, bool first, std::string& scratch) const {
    scratch = unmarked(text);
    if (due(vocabulary().prefix, first, scratch.starts_with(' '))) scratch.insert(0, 1, ' ');
    return scratch;
  }

  static bool due(SpacePrefix prefix, bool first, bool has_one) {
    switch (prefix) {
      case SpacePrefix::kNone:
        return false;
      case SpacePrefix::kAlways:
        return true;
      case SpacePrefix::kUnlessSpace:
        return !has_one;
      case SpacePrefix::kFirst:
        return first && !has_one;
    }
    return false;
  }

  std::unique_ptr<PieceEncoder> encoder_;  // points into the vocabulary
};

}  // namespace

std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(Vocabulary vocabulary) {
  return std::make_unique<SentencePieceTokenizer>(std::move(vocabulary));
}

}  // namespace tern::engine
