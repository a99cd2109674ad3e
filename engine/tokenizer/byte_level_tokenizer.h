#pragma once
// The tokenizers of GPT-2's line (Llama 3, Qwen 2, Falcon 3): special tokens, the pre-tokenizer's
// pieces, byte-pair encoding of each. Every byte of the text is encoded as it is, also where it is
// not UTF-8, so decoding gives back the same bytes (of Qwen's, the same characters: it composes
// accents).

#include <memory>

#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {

// Of a vocabulary with Algorithm::kByteLevel.
std::unique_ptr<Tokenizer> make_byte_level_tokenizer(Vocabulary vocabulary);

}  // namespace tern::engine
