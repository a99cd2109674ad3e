// Merging, against the definition carried out literally.
#include <map>
#include <random>
#include <string>

#include "engine/error.h"
#include "engine/tokenizer/bpe.h"
#include "tests/support/catch.h"

using namespace tern::engine;

namespace {

using Ranks = std::map<std::pair<int, int>, Merge>;

// Merges the pair of lowest rank, the leftmost of equals, until there is none.
std::vector<int> merge_literally(std::vector<int> ids, const Ranks& ranks) {
  for (;;) {
    const Merge* best = nullptr;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = ranks.find({ids[i], ids[i + 1]});
      if (found != ranks.end() && (best == nullptr || found->second.rank < best->rank)) {
        best = &found->second;
        at = i;
      }
    }
    if (best == nullptr) return ids;
    ids[at] = best->result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

Vocabulary letters(const std::string& alphabet) {
  Vocabulary vocabulary;
  for (const char c : alphabet)
    vocabulary.tokens.push_back({std::string(1, c), TokenKind::kNormal});
  return vocabulary;
}

void add_token(Vocabulary& vocabulary, int left, int right, std::uint32_t rank) {
  const auto& tokens = vocabulary.tokens;
  const std::string bytes =
      tokens[static_cast<std::size_t>(left)].bytes + tokens[static_cast<std::size_t>(right)].bytes;
  vocabulary.merges.push_back({left, right, static_cast<int>(tokens.size()), rank});
  vocabulary.tokens.push_back({bytes, TokenKind::kNormal});
}

std::vector<int> encode(const Vocabulary& vocabulary, const std::string& piece) {
  std::vector<int> ids;
  BytePairEncoder::Scratch scratch;
  BytePairEncoder(vocabulary).encode(piece, ids, scratch);
  return ids;
}

}  // namespace

TEST_CASE("the lowest rank goes first, then the leftmost", "[tokenizer]") {
  Vocabulary v = letters("abc");
  add_token(v, 1, 2, 0);  // 3: bc
  add_token(v, 0, 1, 1);  // 4: ab
  add_token(v, 0, 0, 2);  // 5: aa
  CHECK(encode(v, "abc") == std::vector<int>{0, 3});
  CHECK(encode(v, "aba") == std::vector<int>{4, 0});
  CHECK(encode(v, "aaa") == std::vector<int>{5, 0});
  CHECK(encode(v, "aaaa") == std::vector<int>{5, 5});
  CHECK(encode(v, "").empty());
  CHECK(encode(v, "c") == std::vector<int>{2});
}

TEST_CASE("merging gives what the definition gives", "[tokenizer]") {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    Vocabulary v = letters("abcd");
    Ranks ranks;
    for (std::uint32_t i = 0; i < 30; ++i) {
      const int left = static_cast<int>(random() % v.tokens.size());
      const int right = static_cast<int>(random() % v.tokens.size());
      if (ranks.contains({left, right})) continue;
      // As with tiktoken ranks, several pairs may share one.
      add_token(v, left, right, round % 2 == 0 ? i : i / 3);
      ranks[{left, right}] = v.merges.back();
    }
    for (int word = 0; word < 20; ++word) {
      std::string piece;
      std::vector<int> bytes;
      for (auto i = random() % 60; i > 0; --i) {
        bytes.push_back(static_cast<int>(random() % 4));
        piece += static_cast<char>('a' + bytes.back());
      }
      CHECK(encode(v, piece) == merge_literally(bytes, ranks));
    }
  }
}

TEST_CASE("a whole piece that is a token needs no merges, where that is the rule", "[tokenizer]") {
  Vocabulary v = letters("xyz");
  v.tokens.push_back({"xyz", TokenKind::kNormal});
  v.tokens.push_back({"zz", TokenKind::kControl});
  CHECK(encode(v, "xyz") == std::vector<int>{0, 1, 2});
  v.ignore_merges = true;
  CHECK(encode(v, "xyz") == std::vector<int>{3});
  CHECK(encode(v, "xyzx") == std::vector<int>{0, 1, 2, 0});
  CHECK(encode(v, "zz") == std::vector<int>{2, 2});  // special tokens are not made of text
}

TEST_CASE("a byte without a token is said, not dropped", "[tokenizer]") {
  CHECK_THROWS_WITH(encode(letters("ab"), "abc"),
                    "text: expected bytes that the vocabulary has tokens for, got byte 99");
}

TEST_CASE("a long piece is merged in the order of its length", "[tokenizer]") {
  Vocabulary v = letters("a");
  for (int i = 0; i < 5; ++i)
    add_token(v, i, i, static_cast<std::uint32_t>(i));                  // up to 32 letters
  const std::vector<int> ids = encode(v, std::string(1'000'000, 'a'));  // years, if quadratic
  CHECK(ids == std::vector<int>(1'000'000 / 32, 5));
}
