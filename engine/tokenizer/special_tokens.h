#pragma once
// Finds the text of tokens that are matched as a whole ("<|eot_id|>"): the leftmost, and of those
// that begin at one place the longest.

#include <array>
#include <cstddef>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tern::engine {

class SpecialTokens {
 public:
  struct Match {
    std::size_t begin, end;
    int id;  // -1: none
  };

  // `text` must outlive the object and not be empty.
  void add(std::string_view text, int id);
  // The next match at or behind `from`; begin and end are the end of the text when there is none.
  Match find(std::string_view text, std::size_t from) const;

 private:
  // Texts share few lengths, so a place is looked up once for each, not once for each token.
  std::array<std::vector<std::size_t>, 256> lengths_;  // by first byte, longest first
  std::unordered_map<std::string_view, int> ids_;
};

}  // namespace tern::engine
