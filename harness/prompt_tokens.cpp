#include "harness/prompt_tokens.h"

#include <algorithm>
#include <cstddef>

#include "evals/rolling.h"
#include "evals/text.h"
#include "harness/error.h"

namespace tern::harness {

bool is_special(const engine::Tokenizer& tokenizer, int id) {
  return tokenizer.piece(id, true).empty() && !tokenizer.piece(id, false).empty();
}

std::vector<int> end_tokens(const engine::Tokenizer& tokenizer, const engine::ModelConfig& config) {
  std::vector<int> ends;
  if (tokenizer.eos() >= 0) ends.push_back(tokenizer.eos());
  if (config.eos >= 0) ends.push_back(static_cast<int>(config.eos));
  for (const char* text :
       {"<|eot_id|>", "<|end_of_text|>", "<|im_end|>", "<|endoftext|>", "<end_of_turn>"}) {
    const std::vector<int> ids = tokenizer.encode(text, true);
    if (ids.size() == 1 && is_special(tokenizer, ids[0])) ends.push_back(ids[0]);
  }
  return ends;
}

std::vector<int> encode_prompt(const engine::Tokenizer& tokenizer, std::string_view text) {
  std::vector<int> ids = tokenizer.encode(text, true);
  const int bos = tokenizer.bos();
  if (tokenizer.add_bos() && bos >= 0 && (ids.empty() || ids.front() != bos)) {
    ids.insert(ids.begin(), bos);
  }
  return ids;
}

int prefix_token(const engine::Tokenizer& tokenizer) {
  const int prefix = tokenizer.bos() >= 0 ? tokenizer.bos() : tokenizer.eos();
  if (prefix >= 0) return prefix;
  throw Error("an empty context needs a BOS or EOS token, and the tokenizer (" +
              tokenizer.description() + ") has neither");
}

EncodedPair encode_pair(const engine::Tokenizer& tokenizer, const std::string& context,
                        const std::string& continuation) {
  if (context.empty()) {
    const int prefix = prefix_token(tokenizer);
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

std::vector<EncodedPair> encode_windows(const engine::Tokenizer& tokenizer, const std::string& text,
                                        std::int64_t context) {
  const std::vector<int> tokens = encode_prompt(tokenizer, text);
  const auto part = [&](std::size_t begin, std::size_t end) {
    return std::vector<int>(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                            tokens.begin() + static_cast<std::ptrdiff_t>(end));
  };
  std::vector<EncodedPair> windows;
  for (const evals::RollingWindow& window :
       evals::rolling_windows(tokens.size(), static_cast<std::size_t>(context))) {
    windows.push_back({window.predicted == 0 ? std::vector<int>{prefix_token(tokenizer)}
                                             : part(window.context, window.predicted),
                       part(window.predicted, window.end)});
  }
  return windows;
}

}  // namespace tern::harness
