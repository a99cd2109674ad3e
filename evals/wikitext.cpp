#include "evals/wikitext.h"

#include <array>
#include <utility>

#include "evals/text.h"

namespace tern::evals {

namespace {

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  std::size_t begin = 0;
  for (std::size_t at; (at = text.find(from, begin)) != std::string_view::npos;
       begin = at + from.size()) {
    result.append(text.substr(begin, at - begin)).append(to);
  }
  return result.append(text.substr(begin));
}

// Python's re.sub(r"/' [0-9]/", …): what it puts there is no group but the text "/'[0-9]/".
std::string quoted_digits(std::string_view text) {
  std::string result;
  std::size_t begin = 0;
  for (std::size_t at = 0; (at = text.find("/' ", at)) != std::string_view::npos;) {
    const bool matches =
        at + 4 < text.size() && text[at + 3] >= '0' && text[at + 3] <= '9' && text[at + 4] == '/';
    if (!matches) {
      ++at;
      continue;
    }
    result.append(text.substr(begin, at - begin)).append("/'[0-9]/");
    begin = at += 5;
  }
  return result.append(text.substr(begin));
}

// Without the white space inside of brackets. A bracket that opens within another is part of its
// content; one that never closes stays as it is.
std::string tightened(std::string_view text, char open, char close) {
  std::string result;
  std::size_t begin = 0;
  for (std::size_t at; (at = text.find(open, begin)) != std::string_view::npos;) {
    const std::size_t end = text.find(close, at + 1);
    if (end == std::string_view::npos) break;
    result.append(text.substr(begin, at + 1 - begin));
    result.append(strip(text.substr(at + 1, end - at - 1))).append(1, close);
    begin = end + 1;
  }
  return result.append(text.substr(begin));
}

using Replacement = std::pair<std::string_view, std::string_view>;

constexpr std::array<Replacement, 9> kSeparators = {{{" @-@ ", "-"},
                                                     {" @,@ ", ","},
                                                     {" @.@ ", "."},
                                                     {" : ", ": "},
                                                     {" ; ", "; "},
                                                     {" . ", ". "},
                                                     {" ! ", "! "},
                                                     {" ? ", "? "},
                                                     {" , ", ", "}}};

constexpr std::array<Replacement, 8> kOthers = {{{"= = = =", "===="},
                                                 {"= = =", "==="},
                                                 {"= =", "=="},
                                                 {" \xc2\xb0 ", "\xc2\xb0"},
                                                 {" \n", "\n"},
                                                 {"\n ", "\n"},
                                                 {" N ", " 1 "},
                                                 {" 's", "'s"}}};

}  // namespace

std::string wikitext_detokenize(std::string_view page) {
  std::string text = quoted_digits(replaced(page, "s '", "s'"));
  for (const auto& [from, to] : kSeparators) text = replaced(text, from, to);
  for (const auto& [open, close] : {std::pair{'(', ')'}, std::pair{'[', ']'}, std::pair{'{', '}'},
                                    std::pair{'"', '"'}, std::pair{'\'', '\''}}) {
    text = tightened(text, open, close);
  }
  for (const auto& [from, to] : kOthers) text = replaced(text, from, to);
  return text;
}

}  // namespace tern::evals
