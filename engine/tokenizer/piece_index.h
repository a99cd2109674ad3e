#pragma once
// SentencePiece's pieces by their text, and what stands for text that is none of them.

#include <array>
#include <cstddef>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {

class PieceIndex {
 public:
  // Keeps references into `vocabulary`, which must outlive it.
  explicit PieceIndex(const Vocabulary& vocabulary);

  int find(std::string_view text) const;                     // -1: not a piece
  std::size_t longest() const noexcept { return longest_; }  // piece, in bytes
  float score(int id) const { return token(id).score; }
  // Training left it out: it may stand between other tokens and their merging, but not in a result.
  bool unused(int id) const { return token(id).kind == TokenKind::kInert; }

  // A text that is no piece: the tokens of its bytes where the vocabulary has all of them, else the
  // unknown token. Where neighbouring unknowns are one token, `unknown` says whether the last one
  // was, and is kept up by the caller for what it appends itself. Throws Error when the vocabulary
  // has neither.
  void append_missing(std::string_view text, std::vector<int>& ids, bool& unknown) const;

 private:
  const VocabularyToken& token(int id) const {
    return vocabulary_.tokens[static_cast<std::size_t>(id)];
  }

  const Vocabulary& vocabulary_;
  std::unordered_map<std::string_view, int> ids_;
  std::array<int, 256> byte_token_{};  // -1: none
  std::size_t longest_ = 0;
};

}  // namespace tern::engine
