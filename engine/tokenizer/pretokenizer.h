#pragma once
// Cuts text into the pieces inside which tokens are merged, with Llama 3's regular expression.
// Thread-safe. White space is Unicode's White_Space and letters and numbers are those of Unicode 15
// or newer, whatever the version of the regex library: the same text must give the same ids
// everywhere.

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace tern::engine {

// The regular expression as tokenizer.json files spell it.
extern const std::string_view kLlama3Regex;

class Pretokenizer {
 public:
  Pretokenizer();  // Llama 3's
  ~Pretokenizer();
  Pretokenizer(const Pretokenizer&) = delete;
  Pretokenizer& operator=(const Pretokenizer&) = delete;

  // The ends of the pieces, ascending; pieces are never empty and cover the text. A byte that is
  // not part of well-formed UTF-8 counts as a symbol (neither letter, number nor space).
  std::vector<std::size_t> split(std::string_view text) const;

 private:
  struct Regex;
  std::unique_ptr<Regex> regex_;
};

}  // namespace tern::engine
