#pragma once
// One of several equal parts of an evaluation, for as many machines: every so manieth document, so
// that what is hard in a data set is spread over all of them.

#include <cstddef>
#include <string>

namespace tern::harness {

struct Shard {
  std::size_t index = 1, count = 1;  // 1 <= index <= count

  // Document i (from 0) belongs to shard i mod count + 1.
  bool has(std::size_t document) const noexcept { return document % count == index - 1; }
  // Of the first `documents`.
  std::size_t size(std::size_t documents) const noexcept {
    return (documents + count - index) / count;
  }
  bool whole() const noexcept { return count == 1; }
};

// "2/4". Throws Error.
Shard parse_shard(const std::string& text);
std::string text_of(const Shard& shard);

}  // namespace tern::harness
