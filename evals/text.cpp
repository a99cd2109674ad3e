#include "evals/text.h"

#include <cstdint>

namespace tern::evals {

namespace {

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t length = 1;  // in bytes
};

constexpr std::uint32_t kNoCharacter = 0xffffffff;  // a byte outside any sequence

std::size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

bool well_formed(std::uint32_t value, std::size_t length) {
  const bool surrogate = value >= 0xd800 && value < 0xe000;
  return !surrogate && value < 0x110000 &&
         (length < 3 || value >= (length == 3 ? 0x800U : 0x10000U));
}

// The code point at the start of a text that is not empty.
CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = sequence_length(byte(0));
  if (length == 1) return {byte(0), 1};
  if (length == 0 || length > text.size()) return {kNoCharacter, 1};
  std::uint32_t value = byte(0) & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {kNoCharacter, 1};
    value = value << 6 | (byte(i) & 0x3fU);
  }
  if (!well_formed(value, length)) return {kNoCharacter, 1};
  return {value, length};
}

// Python's str.isspace(), which counts the four ASCII separators 28 to 31 in.
bool is_space(std::uint32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

std::string_view strip_start(std::string_view text) {
  while (!text.empty()) {
    const CodePoint first = first_code_point(text);
    if (!is_space(first.value)) break;
    text.remove_prefix(first.length);
  }
  return text;
}

}  // namespace

std::size_t code_points(std::string_view text) {
  std::size_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(first_code_point(text).length);
  return count;
}

std::string_view strip_end(std::string_view text) {
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint here = first_code_point(text.substr(at));
    at += here.length;
    if (!is_space(here.value)) end = at;
  }
  return text.substr(0, end);
}

std::string_view strip(std::string_view text) { return strip_end(strip_start(text)); }

std::size_t count_words(std::string_view text) {
  std::size_t words = 1;
  bool in_space = false;
  while (!text.empty()) {
    const CodePoint first = first_code_point(text);
    const bool space = is_space(first.value);
    if (space && !in_space) ++words;
    in_space = space;
    text.remove_prefix(first.length);
  }
  return words;
}

bool starts_with_space(std::string_view text) {
  return !text.empty() && is_space(first_code_point(text).value);
}

bool ends_with_space(std::string_view text) { return strip_end(text).size() != text.size(); }

ContextPair move_trailing_space(std::string_view context, std::string_view continuation) {
  const std::string_view kept = strip_end(context);
  const std::string_view moved = context.substr(kept.size());
  return {std::string(kept), std::string(moved).append(continuation)};
}

std::string cut_at_stops(std::string_view text, std::span<const std::string> stops) {
  for (const std::string& stop : stops) {
    if (!stop.empty()) text = text.substr(0, text.find(stop));
  }
  return std::string(text);
}

}  // namespace tern::evals
