#include "engine/tokenizer/byte_level_tokenizer.h"

#include <utility>

#include "engine/tokenizer/bpe.h"
#include "engine/tokenizer/nfc.h"
#include "engine/tokenizer/pretokenizer.h"
#include "engine/tokenizer/vocabulary_tokenizer.h"

namespace tern::engine {
namespace {

class ByteLevelTokenizer final : public VocabularyTokenizer {
 public:
  explicit ByteLevelTokenizer(Vocabulary read)
      : VocabularyTokenizer(std::move(read)),
        pretokenizer_(vocabulary().split),
        encoder_(vocabulary()) {
    index_special_tokens();
  }

 private:
  std::string_view normalize(std::string_view text, std::string& scratch) const override {
    return vocabulary().nfc ? to_nfc(text, scratch) : text;
  }

  void encode_plain(std::string_view text, bool, std::vector<int>& ids) const override {
    BytePairEncoder::Scratch scratch;
    std::size_t begin = 0;
    for (const std::size_t end : pretokenizer_.split(text)) {
      encoder_.encode(text.substr(begin, end - begin), ids, scratch);
      begin = end;
    }
  }

  const Pretokenizer pretokenizer_;
  const BytePairEncoder encoder_;  // points into the vocabulary
};

}  // namespace

std::unique_ptr<Tokenizer> make_byte_level_tokenizer(Vocabulary vocabulary) {
  return std::make_unique<ByteLevelTokenizer>(std::move(vocabulary));
}

}  // namespace tern::engine
