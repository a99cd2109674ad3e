#include "harness/utf8_stream.h"

#include <algorithm>
#include <cstddef>

namespace tern::harness {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// How much of `text` is the start of one well-formed character (Unicode 15, table 3-7), and how
// long the character is. `wanted` is 0 when no character begins so.
struct Start {
  std::size_t have, wanted;
};

Start start_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, 1};
  if (lead < 0xc2 || lead > 0xf4) return {1, 0};
  const std::size_t wanted = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;   // no overlong forms
  const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;  // no surrogates
  std::size_t have = 1;
  for (; have < std::min(wanted, text.size()); ++have) {
    const bool first = have == 1;
    if (byte(have) < (first ? low : 0x80) || byte(have) > (first ? high : 0xbf)) return {have, 0};
  }
  return {have, wanted};
}

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  pending_ += bytes;
  std::string out;
  std::size_t at = 0;
  while (at < pending_.size()) {
    const Start start = start_of(std::string_view(pending_).substr(at));
    if (start.wanted > start.have) break;
    out += start.wanted == 0 ? kReplacement : std::string_view(pending_).substr(at, start.have);
    at += start.have;
  }
  pending_.erase(0, at);
  return out;
}

std::string Utf8Stream::finish() {
  const bool cut = !pending_.empty();
  pending_.clear();
  return cut ? std::string(kReplacement) : std::string();
}

}  // namespace tern::harness
