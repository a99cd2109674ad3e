#include "engine/tokenizer/bpe.h"
#include "engine/tokenizer/piece_encoder.h"
#include "engine/tokenizer/piece_index.h"
#include "engine/tokenizer/utf8.h"

namespace tern::engine {
namespace {

class MergeEncoder final : public PieceEncoder {
 public:
  explicit MergeEncoder(const Vocabulary& vocabulary)
      : index_(vocabulary), merger_(vocabulary.merges), whole_texts_(vocabulary.ignore_merges) {}

  void encode(std::string_view text, std::vector<int>& ids) const override {
    if (whole_texts_) {
      if (const int id = index_.find(text); id >= 0) {
        ids.push_back(id);
        return;
      }
    }
    PairMerger::Scratch scratch;
    bool unknown = false;
    for (std::size_t at = 0; at < text.size();) {
      const std::string_view character = text.substr(at, character_length(text.substr(at)));
      const int id = index_.find(character);
      if (id < 0) {
        index_.append_missing(character, scratch.tokens, unknown);
      } else {
        scratch.tokens.push_back(id);
        unknown = false;
      }
      at += character.size();
    }
    merger_.merge(ids, scratch);
  }

 private:
  PieceIndex index_;
  PairMerger merger_;
  bool whole_texts_;
};

}  // namespace

std::unique_ptr<PieceEncoder> make_merge_encoder(const Vocabulary& vocabulary) {
  return std::make_unique<MergeEncoder>(vocabulary);
}

}  // namespace tern::engine
