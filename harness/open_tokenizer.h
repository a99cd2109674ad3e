#pragma once
// A command's tokenizer.

#include <memory>
#include <string>

#include "engine/tokenizer/tokenizer.h"

namespace tern::harness {

constexpr char kTokenizerHelp[] =
    "GGUF vocabulary, tokenizer.json, tokenizer.model or tiktoken ranks, instead of the model's";

// As engine::load_tokenizer; what the user should know about the file goes to standard error.
std::unique_ptr<engine::Tokenizer> open_tokenizer(const std::string& path);

}  // namespace tern::harness
