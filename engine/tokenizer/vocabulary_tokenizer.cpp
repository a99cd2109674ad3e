#include "engine/tokenizer/vocabulary_tokenizer.h"

#include <utility>

#include "engine/error.h"

namespace tern::engine {

void VocabularyTokenizer::index_special_tokens() {
  normalized_.reserve(vocabulary_.tokens.size());  // so that its strings stay where they are
  for (std::size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
    const VocabularyToken& token = vocabulary_.tokens[i];
    if (token.kind != TokenKind::kAdded && token.kind != TokenKind::kControl) continue;
    const int id = static_cast<int>(i);
    std::string_view text = token.bytes;
    if (token.normalized) {
      std::string scratch;
      text = normalized_.emplace_back(normalize(text, scratch));
    }
    (token.normalized ? all_.normalized : all_.raw).add(text, id);
    if (token.kind == TokenKind::kAdded)
      (token.normalized ? added_.normalized : added_.raw).add(text, id);
  }
}

std::vector<int> VocabularyTokenizer::encode(std::string_view text, bool parse_special) const {
  const Matchers& special = parse_special ? all_ : added_;
  std::vector<int> ids;
  ids.reserve(text.size() / 3 + 1);
  std::string scratch;
  for (std::size_t from = 0; from < text.size();) {
    const SpecialTokens::Match match = special.raw.find(text, from);
    if (match.begin > from) {
      const std::string_view stretch = text.substr(from, match.begin - from);
      encode_stretch(normalize(stretch, scratch), from == 0, special.normalized, ids);
    }
    if (match.id >= 0) ids.push_back(match.id);
    from = match.end;
  }
  return ids;
}

void VocabularyTokenizer::encode_stretch(std::string_view text, bool first,
                                         const SpecialTokens& special,
                                         std::vector<int>& ids) const {
  for (std::size_t from = 0; from < text.size();) {
    const SpecialTokens::Match match = special.find(text, from);
    if (match.begin > from)
      encode_plain(text.substr(from, match.begin - from), first && from == 0, ids);
    if (match.id >= 0) ids.push_back(match.id);
    from = match.end;
  }
}

std::string VocabularyTokenizer::piece(int id, bool skip_special) const {
  if (id < 0 || id >= vocab() ||
      vocabulary_.tokens[static_cast<std::size_t>(id)].kind == TokenKind::kNone) {
    throw Error("token " + std::to_string(id) + ": expected an id of the tokenizer (0 to " +
                std::to_string(vocab() - 1) + "), got one it does not have");
  }
  const VocabularyToken& token = vocabulary_.tokens[static_cast<std::size_t>(id)];
  if (skip_special && token.kind == TokenKind::kControl) return {};
  // Added tokens of a tokenizer.json are looked for with their marks, but stand for spaces.
  const bool marked =
      token.kind == TokenKind::kAdded && vocabulary_.algorithm != Algorithm::kByteLevel;
  return marked ? unmarked(token.bytes) : token.bytes;
}

std::string VocabularyTokenizer::decode(const std::vector<int>& ids, bool skip_special) const {
  std::string text;
  for (const int id : ids) text += piece(id, skip_special);
  if (vocabulary_.strip_prefix && text.starts_with(' ')) text.erase(0, 1);
  return text;
}

}  // namespace tern::engine
