#include "engine/tokenizer/vocabulary.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "engine/error.h"
#include "engine/tensor.h"
#include "engine/tokenizer/byte_alphabet.h"

namespace tern::engine {
namespace {

constexpr std::size_t kLlama3Tokens = 128000;
constexpr std::uint64_t kLlama3Fingerprint = 0xdaa7e568675e6213;

// FNV-1a over the bytes of each token and a byte that ends it.
std::uint64_t fingerprint(std::span<const VocabularyToken> tokens) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
  for (const VocabularyToken& token : tokens) {
    for (const char c : token.bytes) add(static_cast<unsigned char>(c));
    add(0xff);  // in no UTF-8 text, and in one token only
  }
  return hash;
}

}  // namespace

void refuse_vocabulary(const std::string& what, const std::string& origin,
                       const std::string& expected, const std::string& got) {
  throw Error(what + " in " + origin + ": expected " + expected + ", got " + got);
}

bool has_llama3_tokens(std::span<const VocabularyToken> tokens) {
  return tokens.size() >= kLlama3Tokens &&
         fingerprint(tokens.first(kLlama3Tokens)) == kLlama3Fingerprint;
}

VocabularyToken normal_token(std::string_view spelling) {
  if (auto bytes = bytes_of_alphabet(spelling); bytes && !bytes->empty())
    return {std::move(*bytes), TokenKind::kNormal};
  return {std::string(spelling), TokenKind::kInert};
}

std::string unmarked(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t mark = std::min(text.find(kSpaceMark, at), text.size());
    plain.append(text, at, mark - at);
    if (mark < text.size()) plain += ' ';
    at = mark + kSpaceMark.size();
  }
  return plain;
}

VocabularyToken sentencepiece_token(std::string_view spelling) {
  // Text has no spaces left when pieces are looked for: one that is spelt with a space is never
  // met.
  if (spelling.find(' ') != spelling.npos) return {std::string(spelling), TokenKind::kInert};
  return {unmarked(spelling), TokenKind::kNormal, true};
}

int byte_of_token(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling[5] != '>') return -1;
  unsigned byte = 0;
  const char* const end = spelling.data() + 5;
  const auto parsed = std::from_chars(spelling.data() + 3, end, byte, 16);
  return parsed.ec == std::errc() && parsed.ptr == end ? static_cast<int>(byte) : -1;
}

void SpellingIndex::add(std::string_view spelling, int id) {
  const auto [known, added] = ids_.emplace(spelling, id);
  if (!added) {
    refuse_vocabulary("token " + quote_name(spelling), origin_, "each token once",
                      "ids " + std::to_string(known->second) + " and " + std::to_string(id));
  }
}

std::optional<int> SpellingIndex::find(std::string_view spelling) const {
  const auto found = ids_.find(spelling);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

int SpellingIndex::part(std::string_view spelling, std::size_t merge) const {
  const auto found = ids_.find(spelling);
  if (found == ids_.end()) {
    refuse_vocabulary("merge " + std::to_string(merge), origin_, "tokens of the vocabulary",
                      quote_name(spelling) + ", which is none");
  }
  return found->second;
}

void SpellingIndex::add_merge(std::string_view left, std::string_view right,
                              std::vector<Merge>& merges) const {
  const std::size_t rank = merges.size();
  const int left_id = part(left, rank);
  const int right_id = part(right, rank);
  const int result = part(std::string(left).append(right), rank);
  merges.push_back({left_id, right_id, result, static_cast<std::uint32_t>(rank)});
}

void SpellingIndex::add_merge(std::string_view pair, std::vector<Merge>& merges) const {
  const std::size_t space = pair.find(' ', 1);
  if (space == pair.npos) {
    refuse_vocabulary("merge " + std::to_string(merges.size()), origin_,
                      "two tokens with a space between them", quote_name(pair));
  }
  add_merge(pair.substr(0, space), pair.substr(space + 1), merges);
}

}  // namespace tern::engine
