#pragma once
// Cuts text into the pieces inside which tokens are merged, with the regular expression of a family
// of models. Thread-safe. White space is Unicode's White_Space and letters and numbers are those of
// Unicode 15 or newer, whatever the version of the regex library: the same text must give the same
// ids everywhere.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace tern::engine {

enum class SplitRule : std::uint8_t {
  kLlama3,
  kQwen2,  // Llama 3's, but each digit is a piece
  kGpt2,
};

// The regular expression as tokenizer.json files spell it.
std::string_view regex_of(SplitRule rule);
// nullopt: not one of ours.
std::optional<SplitRule> split_rule_of(std::string_view regex);
// "llama-bpe", "qwen2", "gpt-2": the name GGUF files give it.
std::string_view name(SplitRule rule);

class Pretokenizer {
 public:
  explicit Pretokenizer(SplitRule rule);
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
