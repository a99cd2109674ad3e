// Any bytes as a tokenizer.json, with settings beside it behind a byte 0, or as a tokenizer.model
// of SentencePiece: they parse or throw Error, and a byte-level tokenizer that comes of them gives
// back every text it encodes. SentencePiece's may not: they have unknown characters and lose
// spaces.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/tokenizer/byte_level_tokenizer.h"
#include "engine/tokenizer/sentencepiece_tokenizer.h"
#include "engine/tokenizer/vocabulary.h"

using namespace tern::engine;

namespace {

void round_trip(const Tokenizer& tokenizer, std::string_view text, bool exact) {
  for (const bool special : {false, true}) {
    std::vector<int> ids;
    try {
      ids = tokenizer.encode(text, special);
    } catch (const Error&) {
      continue;  // a byte without a token
    }
    if (tokenizer.decode(ids, false) != text && exact) std::abort();
    tokenizer.decode(ids, true);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const bool model = input.starts_with('\n');
  const std::size_t zero = model ? size : std::min(input.find('\0'), size);
  const std::string_view settings = zero < size ? input.substr(zero + 1) : std::string_view();
  try {
    Vocabulary vocabulary =
        model ? vocabulary_of_sentencepiece(input, "input")
              : vocabulary_of_json(input.substr(0, zero), "input", settings, "settings");
    const bool bytes = vocabulary.algorithm == Algorithm::kByteLevel;
    const bool exact = bytes && !vocabulary.nfc;
    const auto tokenizer = bytes ? make_byte_level_tokenizer(std::move(vocabulary))
                                 : make_sentencepiece_tokenizer(std::move(vocabulary));
    round_trip(*tokenizer, input, exact);
    round_trip(*tokenizer, "Hello  w\xc3\xb6rld\n<|a|>123456\xff", exact);
    round_trip(*tokenizer, "o\xcc\x88\xcc\xa3 \xe2\x96\x81<s>\xe4\xb8\xad", exact);
  } catch (const Error&) {
  }
  return 0;
}
