#pragma once
// Llama 3's tokenizer: special tokens, the pre-tokenizer's pieces, byte-pair encoding of each.
// Every byte of the text is encoded as it is, also where it is not UTF-8, so decoding gives back
// the same bytes.

#include <memory>

#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {

std::unique_ptr<Tokenizer> make_byte_level_tokenizer(Vocabulary vocabulary);

}  // namespace tern::engine
