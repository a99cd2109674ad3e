#pragma once
// Texts of an evaluation as the tokens a model sees: where BOS goes, and where a context ends and
// its continuation begins.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model_config.h"
#include "engine/tokenizer/tokenizer.h"

namespace tern::harness {

// Whether a token has a text that counts only as a whole, and is left out of answers.
bool is_special(const engine::Tokenizer& tokenizer, int id);

// What ends a text: the tokenizer's own end, the model's, and the chat end tokens of the Llama-3,
// Qwen and Gemma families where the vocabulary has them as special tokens.
std::vector<int> end_tokens(const engine::Tokenizer& tokenizer, const engine::ModelConfig& config);

// The text's ids with special tokens parsed, behind BOS where the tokenizer asks for one and the
// text does not begin with it.
std::vector<int> encode_prompt(const engine::Tokenizer& tokenizer, std::string_view text);

// What stands before the first token of a text, so that it can be scored: BOS, or EOS where there
// is none. Throws Error where there is neither.
int prefix_token(const engine::Tokenizer& tokenizer);

struct EncodedPair {
  std::vector<int> context;
  std::vector<int> continuation;  // may be empty: it can merge into the context's last token
};

// Where a context ends and its continuation begins, in tokens (formats.md, section 4.4): white
// space at the context's end moves over, and the continuation is what the ids of the whole text
// have behind as many ids as the context alone has.
EncodedPair encode_pair(const engine::Tokenizer& tokenizer, const std::string& context,
                        const std::string& continuation);

// A text of any length as pairs whose continuations together are its tokens: windows of `context`
// tokens (evals/rolling.h), the first behind BOS, or EOS where there is none. As in
// lm-evaluation-harness the text is encoded as any prompt, so that where the tokenizer adds BOS,
// that BOS is the first token to be judged, behind the other one.
std::vector<EncodedPair> encode_windows(const engine::Tokenizer& tokenizer, const std::string& text,
                                        std::int64_t context);

}  // namespace tern::harness
