// The byte alphabet, and how text is cut into pieces.
#include <random>

#include "engine/tokenizer/byte_alphabet.h"
#include "engine/tokenizer/pretokenizer.h"
#include "tests/support/catch.h"

using namespace tern::engine;

namespace {

using Pieces = std::vector<std::string>;

Pieces pieces(const std::string& text, SplitRule rule = SplitRule::kLlama3) {
  static const Pretokenizer llama3(SplitRule::kLlama3), qwen2(SplitRule::kQwen2),
      gpt2(SplitRule::kGpt2);
  const Pretokenizer& pretokenizer = rule == SplitRule::kLlama3  ? llama3
                                     : rule == SplitRule::kQwen2 ? qwen2
                                                                 : gpt2;
  Pieces all;
  std::size_t begin = 0;
  for (const std::size_t end : pretokenizer.split(text)) {
    all.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  CHECK(begin == text.size());
  return all;
}

}  // namespace

TEST_CASE("every byte has one letter of the alphabet", "[tokenizer]") {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  const std::string text = alphabet_of_bytes(bytes);
  CHECK(bytes_of_alphabet(text) == bytes);
  CHECK(alphabet_of_bytes(" \n\x7f\xad\xff") == "\u0120\u010a\u0121\u0143\u00ff");
  CHECK(alphabet_of_bytes("a~!") == "a~!");
}

TEST_CASE("what is not of the alphabet spells no bytes", "[tokenizer]") {
  for (const char* text :
       {" ", "a b", "\n", "\u0144", "\u4e2d", "\u00ad", "\xc4", "\xff", "\xc4\x41"})
    CHECK(bytes_of_alphabet(text) == std::nullopt);
  CHECK(bytes_of_alphabet("") == "");
}

TEST_CASE("Llama 3 cuts words, digits, symbols and spaces", "[tokenizer]") {
  CHECK(pieces("").empty());
  CHECK(pieces("Hello, world!") == Pieces{"Hello", ",", " world", "!"});
  CHECK(pieces("1234567 89") == Pieces{"123", "456", "7", " ", "89"});
  CHECK(pieces("I'm we'LL don't 'tis") ==
        Pieces{"I", "'m", " we", "'LL", " don", "'t", " '", "tis"});
  CHECK(pieces("   x") == Pieces{"  ", " x"});
  CHECK(pieces("x   ") == Pieces{"x", "   "});
  CHECK(pieces("a\r\n\r\n  b") == Pieces{"a", "\r\n\r\n", " ", " b"});
  CHECK(pieces("!?\n\n\tx") == Pieces{"!?\n\n", "\tx"});
  CHECK(pieces("  \n \n  1") == Pieces{"  \n \n", " ", " ", "1"});
  CHECK(pieces(std::string("a\0b", 3)) == Pieces{"a", std::string("\0b", 2)});
}

TEST_CASE("Qwen 2 cuts as Llama 3 does, but every digit by itself", "[tokenizer]") {
  constexpr SplitRule rule = SplitRule::kQwen2;
  CHECK(pieces("1234567 89", rule) == Pieces{"1", "2", "3", "4", "5", "6", "7", " ", "8", "9"});
  CHECK(pieces("I'LL x2\n\n  b?", rule) == Pieces{"I", "'LL", " x", "2", "\n\n", " ", " b", "?"});
}

TEST_CASE("GPT-2 cuts with the space in front and knows small contractions only", "[tokenizer]") {
  constexpr SplitRule rule = SplitRule::kGpt2;
  CHECK(pieces("Hello, world! 12345", rule) == Pieces{"Hello", ",", " world", "!", " 12345"});
  CHECK(pieces("I'm we'LL", rule) == Pieces{"I", "'m", " we", "'", "LL"});
  CHECK(pieces("a\n\n  b \n", rule) == Pieces{"a", "\n\n ", " b", " \n"});
  CHECK(pieces("!!x\u00a0y", rule) == Pieces{"!!", "x", "\u00a0", "y"});
}

TEST_CASE("a regular expression is known by its text", "[tokenizer]") {
  for (const SplitRule rule : {SplitRule::kLlama3, SplitRule::kQwen2, SplitRule::kGpt2})
    CHECK(split_rule_of(regex_of(rule)) == rule);
  CHECK(split_rule_of("\\s+") == std::nullopt);
}

TEST_CASE("white space is Unicode's, whatever the library thinks", "[tokenizer]") {
  for (const char* space : {"\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u202f", "\u3000"}) {
    const std::string s = space;
    CHECK(pieces("a" + s + s + "!") == Pieces{"a", s, s, "!"});
  }
  for (const char* none : {"\x1c", "\x1f", "\u180e", "\u200b", "\u2060", "\ufeff"}) {
    const std::string s = none;
    CHECK(pieces("a" + s + s + "!") == Pieces{"a", s + s + "!"});
  }
}

TEST_CASE("letters and numbers are those of Unicode 15 at least", "[tokenizer]") {
  CHECK(pieces("!\u4e2d\u6587!") == Pieces{"!\u4e2d\u6587", "!"});
  CHECK(pieces("\u0661\u0662\u00bd\u2167") == Pieces{"\u0661\u0662\u00bd", "\u2167"});
  for (const char* letter : {"\U0001E4D0", "\U00031350", "\U0001E06D", "\U00011F33"}) {
    const std::string s = letter;
    CHECK(pieces("!" + s + s + "!") == Pieces{"!" + s + s, "!"});
  }
  for (const char* number : {"\U0001D2C0", "\U00011F59", "\U0001E4F0"}) {
    const std::string s = number;
    CHECK(pieces(s + s + s + s) == Pieces{s + s + s, s});
  }
  CHECK(pieces("x'\u017ftand") == Pieces{"x", "'\u017f", "tand"});  // the long s folds to s
}

TEST_CASE("a byte that is not UTF-8 counts as a symbol", "[tokenizer]") {
  CHECK(pieces("\xff\xff"
               "ab") == Pieces{"\xff\xff", "ab"});
  CHECK(pieces("\xff"
               "ab") == Pieces{"\xff"
                               "ab"});
  CHECK(pieces("1\xe2\x82") == Pieces{"1", "\xe2\x82"});            // cut short
  CHECK(pieces("1\xed\xa0\x80!") == Pieces{"1", "\xed\xa0\x80!"});  // a surrogate
  CHECK(pieces("1\xc0\xa0!") == Pieces{"1", "\xc0\xa0!"});          // an overlong space
  CHECK(pieces("1\xf4\x90\x80\x80") == Pieces{"1", "\xf4\x90\x80\x80"});
  CHECK(pieces("\xe4\xb8 \xe4\xb8\xad") == Pieces{"\xe4\xb8", " \xe4\xb8\xad"});
}

TEST_CASE("pieces cover any bytes", "[tokenizer]") {
  std::mt19937 random(7);
  static constexpr std::string_view kLikely = " \n\r\ta1!'\xc2\xa0\xe2\x80\x83\xff";
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (auto i = random() % 40; i > 0; --i)
      text += random() % 4 == 0 ? static_cast<char>(random()) : kLikely[random() % kLikely.size()];
    for (const std::string& piece : pieces(text)) CHECK_FALSE(piece.empty());
  }
}
