#pragma once
// The three ways in which SentencePiece's vocabularies turn text into pieces. All are immutable and
// thread-safe and keep references into the vocabulary, which must outlive them.

#include <memory>
#include <string_view>
#include <vector>

#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {

class PieceEncoder {
 public:
  virtual ~PieceEncoder() = default;
  // Appends the ids of `text`, in which spaces are marked as the vocabulary has them.
  virtual void encode(std::string_view text, std::vector<int>& ids) const = 0;
};

// Hugging Face's BPE (Algorithm::kMerges): characters, or their bytes where they are no tokens,
// merge in the order of the list.
std::unique_ptr<PieceEncoder> make_merge_encoder(const Vocabulary& vocabulary);

// SentencePiece's own BPE (Algorithm::kScores): whichever two neighbours make the piece of the
// highest score merge next, the leftmost of equals; pieces that training left out are taken apart
// again.
std::unique_ptr<PieceEncoder> make_score_encoder(const Vocabulary& vocabulary);

// SentencePiece's unigram model (Algorithm::kUnigram): Viterbi's search for the largest sum of
// scores. An unknown character costs the lowest score less 10.
std::unique_ptr<PieceEncoder> make_unigram_encoder(const Vocabulary& vocabulary);

}  // namespace tern::engine
