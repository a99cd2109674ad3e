#include "engine/tokenizer/piece_index.h"

#include <algorithm>
#include <string>

#include "engine/error.h"
#include "engine/tensor.h"

namespace tern::engine {

PieceIndex::PieceIndex(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {
  byte_token_.fill(-1);
  ids_.reserve(vocabulary.tokens.size());
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const VocabularyToken& token = vocabulary.tokens[id];
    if (token.kind == TokenKind::kByte)
      byte_token_[static_cast<unsigned char>(token.bytes[0])] = static_cast<int>(id);
    if (!token.piece) continue;
    ids_.emplace(token.bytes, static_cast<int>(id));
    longest_ = std::max(longest_, token.bytes.size());
  }
}

int PieceIndex::find(std::string_view text) const {
  if (text.size() > longest_) return -1;
  const auto found = ids_.find(text);
  return found == ids_.end() ? -1 : found->second;
}

void PieceIndex::append_missing(std::string_view text, std::vector<int>& ids, bool& unknown) const {
  const auto byte_token = [&](char c) { return byte_token_[static_cast<unsigned char>(c)]; };
  if (std::all_of(text.begin(), text.end(), [&](char c) { return byte_token(c) >= 0; })) {
    for (const char c : text) ids.push_back(byte_token(c));
    unknown = false;
    return;
  }
  if (vocabulary_.unknown < 0) {
    throw Error("text: expected characters that the vocabulary has tokens for, got " +
                quote_name(text));
  }
  if (!unknown || !vocabulary_.fuse_unknown) ids.push_back(vocabulary_.unknown);
  unknown = true;
}

}  // namespace tern::engine
