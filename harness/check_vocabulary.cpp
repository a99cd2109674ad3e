#include "harness/check_vocabulary.h"

#include <fmt/format.h>

#include "harness/error.h"
#include "harness/prompt_tokens.h"

namespace tern::harness {

namespace {

// Of the rows, one in so many may be padding. Qwen 2.5 has the most that is known: 151,665 tokens,
// and 151,936 or 152,064 rows.
constexpr std::int64_t kRowsPerPadding = 128;
// Gemma 3 1B has a tokenizer of 262,145, whose last is for images, and 262,144 rows.
constexpr std::int64_t kMostWithoutRow = 8;

[[noreturn]] void refuse(const engine::Model& model, const engine::Tokenizer& tokenizer) {
  throw Error(fmt::format(
      "the tokenizer ({}) and the model {} do not belong together: expected {} tokens, "
      "as the model has, got {}",
      tokenizer.description(), model.facts().spec, model.config().vocab, tokenizer.vocab()));
}

}  // namespace

void check_tokens(const engine::Model& model, const engine::Tokenizer& tokenizer) {
  const std::int64_t rows = model.config().vocab, tokens = tokenizer.vocab();
  if (tokens - rows > kMostWithoutRow) refuse(model, tokenizer);
  for (std::int64_t id = rows; id < tokens; ++id) {
    if (!is_special(tokenizer, static_cast<int>(id))) refuse(model, tokenizer);
  }
}

void check_vocabulary(const engine::Model& model, const engine::Tokenizer& tokenizer) {
  check_tokens(model, tokenizer);
  const std::int64_t rows = model.config().vocab;
  if (rows - tokenizer.vocab() > rows / kRowsPerPadding) refuse(model, tokenizer);
}

}  // namespace tern::harness
