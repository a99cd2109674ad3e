// Any bytes as a tokenizer.json, with settings beside it behind a byte 0: they parse or throw
// Error, and a tokenizer that comes of them gives back every text it encodes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "engine/tokenizer/byte_level_tokenizer.h"
#include "engine/tokenizer/vocabulary.h"

using namespace tern::engine;

namespace {

void round_trip(const Tokenizer& tokenizer, std::string_view text) {
  for (const bool special : {false, true}) {
    std::vector<int> ids;
    try {
      ids = tokenizer.encode(text, special);
    } catch (const Error&) {
      continue;  // a byte without a token
    }
    if (tokenizer.decode(ids, false) != text) std::abort();
    tokenizer.decode(ids, true);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = std::min(input.find('\0'), size);
  const std::string_view settings = zero < size ? input.substr(zero + 1) : std::string_view();
  try {
    const auto tokenizer = make_byte_level_tokenizer(
        vocabulary_of_json(input.substr(0, zero), "input", settings, "settings"));
    round_trip(*tokenizer, input);
    round_trip(*tokenizer, "Hello  w\xc3\xb6rld\n<|a|>123456\xff");
  } catch (const Error&) {
  }
  return 0;
}
