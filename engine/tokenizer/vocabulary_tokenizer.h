#pragma once
// What all tokenizers do alike: special tokens cut the text, the rest is normalised and cut again,
// and what remains is plain text for the algorithm; decoding puts the tokens' bytes together.

#include "engine/tokenizer/special_tokens.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {

class VocabularyTokenizer : public Tokenizer {
 public:
  std::vector<int> encode(std::string_view text, bool parse_special) const final;
  std::string decode(const std::vector<int>& ids, bool skip_special) const final;
  std::string piece(int id, bool skip_special) const final;

  int vocab() const noexcept final { return static_cast<int>(vocabulary_.tokens.size()); }
  int bos() const noexcept final { return vocabulary_.bos; }
  int eos() const noexcept final { return vocabulary_.eos; }
  bool add_bos() const noexcept final { return vocabulary_.add_bos; }
  bool add_eos() const noexcept final { return vocabulary_.add_eos; }
  const std::string& description() const noexcept final { return vocabulary_.description; }
  std::string warning() const final { return vocabulary_.warning; }

 protected:
  explicit VocabularyTokenizer(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}
  // To be called when normalize() can be.
  void index_special_tokens();

  const Vocabulary& vocabulary() const noexcept { return vocabulary_; }

  // The text as the vocabulary has it: `text` itself, or made in `scratch`. Not for empty texts.
  virtual std::string_view normalize(std::string_view text, std::string& scratch) const = 0;
  // Appends the ids of a stretch of normalised text; `first`: the text begins with it.
  virtual void encode_plain(std::string_view text, bool first, std::vector<int>& ids) const = 0;

 private:
  // Special tokens that are found in the text as it is, and in normalised text.
  struct Matchers {
    SpecialTokens raw, normalized;
  };
  void encode_stretch(std::string_view text, bool first, const SpecialTokens& special,
                      std::vector<int>& ids) const;

  const Vocabulary vocabulary_;
  Matchers all_, added_;  // point into vocabulary_ and normalized_
  std::vector<std::string> normalized_;
};

}  // namespace tern::engine
