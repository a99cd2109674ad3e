#pragma once
// The tokenizers of SentencePiece's line (Llama 2, Gemma, 1bitLLM's BitNet models): special tokens,
// then characters that merge into pieces, spaces among them, with byte tokens for characters that
// no piece has. Spaces are marked by U+2581 in the files and stay spaces in here, so U+2581 in a
// text is read as a space, as SentencePiece does.

#include <memory>

#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {

// Of a vocabulary with any other Algorithm.
std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(Vocabulary vocabulary);

}  // namespace tern::engine
