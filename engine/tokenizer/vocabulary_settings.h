#pragma once
// What the tokenizer_config.json beside a Hugging Face tokenizer says about BOS and EOS.

#include <string>
#include <string_view>

#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {

// `config` is the text of tokenizer_config.json, or empty: then BOS and EOS are the tokens that
// have the names of the known families. Also adds the tokens of added_tokens_decoder that the
// vocabulary lacks. Throws Error: "<key> in <origin>: expected …, got …".
void apply_tokenizer_config(std::string_view config, const std::string& origin,
                            Vocabulary& vocabulary);

}  // namespace tern::engine
