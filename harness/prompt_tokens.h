#pragma once
// Texts of an evaluation as the tokens a model sees: where BOS goes, and where a context ends and
// its continuation begins.

#include <string>
#include <string_view>
#include <vector>

#include "engine/tokenizer/tokenizer.h"

namespace tern::harness {

// The text's ids with special tokens parsed, behind BOS where the tokenizer asks for one and the
// text does not begin with it.
std::vector<int> encode_prompt(const engine::Tokenizer& tokenizer, std::string_view text);

struct EncodedPair {
  std::vector<int> context;
  std::vector<int> continuation;  // may be empty: it can merge into the context's last token
};

// Where a context ends and its continuation begins, in tokens (formats.md, section 4.4): white
// space at the context's end moves over, and the continuation is what the ids of the whole text
// have behind as many ids as the context alone has.
EncodedPair encode_pair(const engine::Tokenizer& tokenizer, const std::string& context,
                        const std::string& continuation);

}  // namespace tern::harness
