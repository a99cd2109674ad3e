#pragma once
// GPT-2's printable alphabet: vocabulary files spell each of the 256 bytes as one visible character
// (space is "Ġ", newline "Ċ"), so that tokens of arbitrary bytes can be written as text. Published
// with GPT-2 (bytes_to_unicode); GGUF and tokenizer.json use it.

#include <optional>
#include <string>
#include <string_view>

namespace tern::engine {

// The bytes that `text` spells; nullopt when a character is not of the alphabet.
std::optional<std::string> bytes_of_alphabet(std::string_view text);

std::string alphabet_of_bytes(std::string_view bytes);

}  // namespace tern::engine
