#pragma once
// Regular expressions with the semantics of Python's re, as far as filters need them: findall and
// removal. Patterns and text are matched byte by byte. Patterns are ASCII and name ASCII characters
// only, and no byte of a longer UTF-8 sequence is one, so the result is the same as for code
// points; and [0-9], \d and their kin match ASCII alone.

#include <string>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;

namespace tern::evals {

class Regex {
 public:
  explicit Regex(std::string_view pattern);  // throws Error when the pattern does not compile
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  // re.findall: per match its groups, or the whole match where the pattern has none. A group that
  // took no part is empty. Throws Error when matching takes more than PCRE2's limits.
  using Groups = std::vector<std::string>;
  std::vector<Groups> find_all(std::string_view text) const;

  // re.sub(pattern, "", text).
  std::string remove_all(std::string_view text) const;

 private:
  template <typename Visit>
  void each_match(std::string_view text, Visit visit) const;

  std::string pattern_;
  pcre2_real_code_8* code_ = nullptr;
};

// Python's str.lower(), one code point to one; only ASCII where the text is not UTF-8.
std::string lower_case(std::string_view text);

// Python's str.capitalize(): the first code point in upper case, the others in lower case.
std::string capitalize(std::string_view text);

}  // namespace tern::evals
