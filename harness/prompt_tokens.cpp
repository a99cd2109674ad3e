#include "harness/prompt_tokens.h"

#include <algorithm>
#include <cstddef>

#include "evals/text.h"
#include "harness/error.h"

namespace tern::harness {

std::vector<int> encode_prompt(const engine::Tokenizer& tokenizer, std::string_view text) {
  std::vector<int> ids = tokenizer.encode(text, true);
  const int bos = tokenizer.bos();
  if (tokenizer.add_bos() && bos >= 0 && (ids.empty() || ids.front() != bos)) {
    ids.insert(ids.begin(), bos);
  }
  return ids;
}

EncodedPair encode_pair(const engine::Tokenizer& tokenizer, const std::string& context,
                        const std::string& continuation) {
  if (context.empty()) {
    // Something must stand before the first token that is scored.
    const int prefix = tokenizer.bos() >= 0 ? tokenizer.bos() : tokenizer.eos();
    if (prefix < 0) {
      throw Error("an empty context needs a BOS or EOS token, and the tokenizer (" +
                  tokenizer.description() + ") has neither");
    }
    EncodedPair pair{{prefix}, tokenizer.encode(continuation, true)};
    if (!pair.continuation.empty() && pair.continuation.front() == prefix) {
      pair.continuation.erase(pair.continuation.begin());
    }
    return pair;
  }
  const auto [head, tail] = evals::move_trailing_space(context, continuation);
  EncodedPair pair{encode_prompt(tokenizer, head), encode_prompt(tokenizer, head + tail)};
  const std::size_t split = std::min(pair.context.size(), pair.continuation.size());
  pair.continuation.erase(pair.continuation.begin(),
                          pair.continuation.begin() + static_cast<std::ptrdiff_t>(split));
  return pair;
}

}  // namespace tern::harness
