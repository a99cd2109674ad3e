#include "engine/tokenizer/byte_level_tokenizer.h"

#include <utility>

#include "engine/error.h"
#include "engine/tokenizer/bpe.h"
#include "engine/tokenizer/pretokenizer.h"
#include "engine/tokenizer/special_tokens.h"

namespace tern::engine {
namespace {

class ByteLevelTokenizer final : public Tokenizer {
 public:
  explicit ByteLevelTokenizer(Vocabulary vocabulary)
      : vocabulary_(std::move(vocabulary)), encoder_(vocabulary_) {
    for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      const auto& [bytes, kind] = vocabulary_.tokens[id];
      if (kind != TokenKind::kAdded && kind != TokenKind::kControl) continue;
      all_special_.add(bytes, static_cast<int>(id));
      if (kind == TokenKind::kAdded) added_.add(bytes, static_cast<int>(id));
    }
  }

  std::vector<int> encode(std::string_view text, bool parse_special) const override {
    const SpecialTokens& special = parse_special ? all_special_ : added_;
    std::vector<int> ids;
    ids.reserve(text.size() / 3 + 1);
    BytePairEncoder::Scratch scratch;
    for (std::size_t from = 0; from < text.size();) {
      const SpecialTokens::Match match = special.find(text, from);
      encode_plain(text.substr(from, match.begin - from), ids, scratch);
      if (match.id >= 0) ids.push_back(match.id);
      from = match.end;
    }
    return ids;
  }

  std::string decode(const std::vector<int>& ids, bool skip_special) const override {
    std::string text;
    for (const int id : ids) {
      if (id < 0 || id >= vocab() || token(id).kind == TokenKind::kNone) {
        throw Error("token " + std::to_string(id) + ": expected an id of the tokenizer (0 to " +
                    std::to_string(vocab() - 1) + "), got one it does not have");
      }
      if (!(skip_special && token(id).kind == TokenKind::kControl)) text += token(id).bytes;
    }
    return text;
  }

  int vocab() const noexcept override { return static_cast<int>(vocabulary_.tokens.size()); }
  int bos() const noexcept override { return vocabulary_.bos; }
  int eos() const noexcept override { return vocabulary_.eos; }
  bool add_bos() const noexcept override { return vocabulary_.add_bos; }
  const std::string& description() const noexcept override { return vocabulary_.description; }

 private:
  const VocabularyToken& token(int id) const {
    return vocabulary_.tokens[static_cast<std::size_t>(id)];
  }

  void encode_plain(std::string_view text, std::vector<int>& ids,
                    BytePairEncoder::Scratch& scratch) const {
    std::size_t begin = 0;
    for (const std::size_t end : pretokenizer_.split(text)) {
      encoder_.encode(text.substr(begin, end - begin), ids, scratch);
      begin = end;
    }
  }

  const Vocabulary vocabulary_;
  const Pretokenizer pretokenizer_;
  const BytePairEncoder encoder_;  // and the next two point into vocabulary_
  SpecialTokens all_special_;
  SpecialTokens added_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_byte_level_tokenizer(Vocabulary vocabulary) {
  return std::make_unique<ByteLevelTokenizer>(std::move(vocabulary));
}

}  // namespace tern::engine
