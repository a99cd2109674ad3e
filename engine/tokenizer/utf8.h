#pragma once
// Characters of UTF-8 text that may be ill-formed.

#include <cstddef>
#include <string>
#include <string_view>

namespace tern::engine {

// The length of the well-formed UTF-8 sequence at the start of `text` (1 to 4); 0 when there is
// none. Unicode 15, table 3-7.
std::size_t sequence_length(std::string_view text);

// The bytes of the next character: a well-formed sequence, or one stray byte. `text` is not empty.
std::size_t character_length(std::string_view text);

// The code point of a well-formed sequence.
char32_t code_point_of(std::string_view sequence);

void append_utf8(char32_t code_point, std::string& text);

}  // namespace tern::engine
