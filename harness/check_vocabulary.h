#pragma once
// Whether a tokenizer and a model belong together.

#include "engine/model.h"
#include "engine/tokenizer/tokenizer.h"

namespace tern::harness {

// Whether the model can read what the tokenizer gives: a few special tokens at its end may have no
// row (of pictures, to a model that sees none). Throws Error where others have none.
void check_tokens(const engine::Model& model, const engine::Tokenizer& tokenizer);

// The same, and whether the tokenizer can spell what the model answers: a few of the model's rows
// may only pad its matrix to a round number. Throws Error where more have no token.
void check_vocabulary(const engine::Model& model, const engine::Tokenizer& tokenizer);

}  // namespace tern::harness
