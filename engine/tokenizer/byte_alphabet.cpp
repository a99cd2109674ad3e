#include "engine/tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

namespace tern::engine {
namespace {

constexpr int kShifted = 256;  // where bytes without a visible character are moved to
constexpr std::size_t kCodePoints = 256 + 68;  // 68 bytes have none

constexpr bool visible(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

struct Alphabet {
  std::array<std::uint16_t, 256> code_point{};
  std::array<std::int16_t, kCodePoints> byte{};  // -1: not of the alphabet
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (auto& byte : alphabet.byte) byte = -1;
  int next = kShifted;
  for (int byte = 0; byte < 256; ++byte) {
    const int code_point = visible(byte) ? byte : next++;
    alphabet.code_point[static_cast<std::size_t>(byte)] = static_cast<std::uint16_t>(code_point);
    alphabet.byte[static_cast<std::size_t>(code_point)] = static_cast<std::int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::optional<std::string> bytes_of_alphabet(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code_point = static_cast<unsigned char>(text[i]);
    if (code_point >= 0x80) {  // the alphabet needs two bytes of UTF-8 at most
      if (code_point < 0xc2 || code_point >= 0xe0 || i + 1 == text.size()) return std::nullopt;
      const unsigned second = static_cast<unsigned char>(text[++i]);
      if ((second & 0xc0) != 0x80) return std::nullopt;
      code_point = (code_point & 0x1f) << 6 | (second & 0x3f);
    }
    if (code_point >= kCodePoints || kAlphabet.byte[code_point] < 0) return std::nullopt;
    bytes += static_cast<char>(kAlphabet.byte[code_point]);
  }
  return bytes;
}

std::string alphabet_of_bytes(std::string_view bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const unsigned code_point = kAlphabet.code_point[static_cast<unsigned char>(c)];
    if (code_point < 0x80) {
      text += static_cast<char>(code_point);
    } else {
      text += static_cast<char>(0xc0 | code_point >> 6);
      text += static_cast<char>(0x80 | (code_point & 0x3f));
    }
  }
  return text;
}

}  // namespace tern::engine
