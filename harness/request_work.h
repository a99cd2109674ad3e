#pragma once
// A request of an evaluation as work for a sequence of tokens: which tokens to evaluate, and what
// is wanted of which of them. It runs nothing.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/tokenizer/tokenizer.h"
#include "evals/task.h"
#include "harness/batched_model.h"
#include "harness/prompt_tokens.h"

namespace tern::harness {

// Leading tokens that both have.
std::size_t common_prefix(std::span<const int> a, std::span<const int> b) noexcept;

// Keeps the last `longest` tokens, counted as a truncated prompt where that drops any. Returns how
// many it drops.
std::int64_t truncate_left(std::vector<int>& tokens, std::int64_t longest,
                           EngineModelCounts& counts);

// What a request wants judged, and behind what. Of a choice one per continuation, of contexts one
// per context, of a text of any length one per window of at most `context` tokens. Throws Error
// (code 1) when a continuation or a text has no tokens of its own, or there is nothing to judge.
std::vector<EncodedPair> judged_pairs(const engine::Tokenizer& tokenizer,
                                      const evals::Request& request, std::int64_t context);

// Log-likelihoods of continuations. Each is a path: context and continuation without its last
// token, which is never evaluated. The logits behind the context's last token judge the first token
// of the continuation, and so on. What a path has in common with the one before it is not evaluated
// again, and its targets there belong to the path that does evaluate them: so a context is
// evaluated once, and so is what two continuations begin with.
class ChoiceWork {
 public:
  struct Target {
    std::size_t row = 0;  // of its path
    int token = 0;
    std::size_t answer = 0;
  };
  struct Path {
    std::vector<int> tokens;
    std::size_t shared = 0;       // leading tokens that the path before it has evaluated
    std::vector<Target> targets;  // of the rows it evaluates, ascending
  };

  // Paths of at most `context` tokens. Throws Error (code 1) when a continuation has more, or as
  // judged_pairs does.
  ChoiceWork(const engine::Tokenizer& tokenizer, const evals::Request& request,
             std::int64_t context, EngineModelCounts& counts);

  std::span<const Path> paths() const noexcept { return paths_; }
  // Scores of an answer come in the order of its tokens, as the paths and their targets do.
  void judge(const Target& target, double log_probability, bool best) noexcept;
  evals::ChoiceAnswer answer() && { return std::move(answer_); }

 private:
  void add_path(const EncodedPair& pair, std::int64_t context, EngineModelCounts& counts);
  void add_targets(std::size_t answer, std::size_t before, std::span<const int> tokens);

  std::vector<Path> paths_;
  evals::ChoiceAnswer answer_;
};

// A greedy continuation of a prompt, token by token.
class TextWork {
 public:
  // Throws Error when the context has no room for the prompt, or the prompt no tokens. `ends`: the
  // ids that end a text; it and `tokenizer` must outlive this.
  TextWork(const engine::Tokenizer& tokenizer, const evals::TextRequest& request,
           std::span<const int> ends, std::int64_t context, EngineModelCounts& counts);

  const std::vector<int>& prompt() const noexcept { return prompt_; }
  // The next token. False: the text ends here, and the token need not be evaluated.
  bool take(int token);
  evals::Generation answer() &&;

 private:
  const engine::Tokenizer* tokenizer_;
  std::span<const int> ends_;
  std::vector<std::string> until_;
  std::int64_t max_tokens_;
  std::vector<int> prompt_;
  evals::Generation result_;
};

// Tokens a sequence may have to hold for the request, at most `context`.
std::int64_t positions_needed(const engine::Tokenizer& tokenizer, const evals::Request& request,
                              std::int64_t context);

}  // namespace tern::harness
