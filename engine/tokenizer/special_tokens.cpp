#include "engine/tokenizer/special_tokens.h"

#include <algorithm>
#include <functional>

namespace tern::engine {

void SpecialTokens::add(std::string_view text, int id) {
  ids_.emplace(text, id);
  auto& lengths = lengths_[static_cast<unsigned char>(text[0])];
  const auto at =
      std::lower_bound(lengths.begin(), lengths.end(), text.size(), std::greater<std::size_t>());
  if (at == lengths.end() || *at != text.size()) lengths.insert(at, text.size());
}

SpecialTokens::Match SpecialTokens::find(std::string_view text, std::size_t from) const {
  for (std::size_t at = from; at < text.size(); ++at) {
    for (const std::size_t length : lengths_[static_cast<unsigned char>(text[at])]) {
      if (length > text.size() - at) continue;
      const auto found = ids_.find(text.substr(at, length));
      if (found != ids_.end()) return {at, at + length, found->second};
    }
  }
  return {text.size(), text.size(), -1};
}

}  // namespace tern::engine
