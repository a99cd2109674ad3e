#pragma once
// Our engine as the language model of an evaluation. Log-likelihoods are computed here in binary64
// with our own exp and log in a fixed order, so that no score depends on libm, threads, batch or
// kernels row. Not thread-safe; one request at a time.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "engine/tokenizer/tokenizer.h"
#include "evals/language_model.h"

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

// ln softmax(logits)[token], summed in index order.
double log_probability(std::span<const float> logits, int token) noexcept;

struct EngineModelCounts {
  std::int64_t evaluated_tokens = 0;  // run through the network
  std::int64_t reused_tokens = 0;     // prompt tokens whose keys and values were still there
  std::int64_t truncated_prompts = 0;
  std::int64_t dropped_tokens = 0;  // cut from the left of those prompts
};

class EngineModel final : public evals::LanguageModel {
 public:
  // Throws Error when the tokenizer's vocabulary is not the model's. With `stop`, a request ends
  // with an Error (code 1) soon after it turns true. `pool` must outlive this.
  EngineModel(std::shared_ptr<const engine::Model> model,
              std::shared_ptr<const engine::Tokenizer> tokenizer, engine::ThreadPool& pool,
              const engine::SessionOptions& options, const std::atomic<bool>* stop = nullptr);

  // Throws Error when a continuation has no tokens of its own or is longer than the context.
  std::vector<evals::Likelihood> log_likelihoods(
      const std::string& context, std::span<const std::string> continuations) override;
  evals::Generation generate(const std::string& prompt,
                             const evals::GenerationLimits& limits) override;

  const EngineModelCounts& counts() const noexcept { return counts_; }  // since construction

 private:
  evals::Likelihood likelihood(EncodedPair pair);
  // Makes the cache hold exactly tokens[0, count), reusing the leading ones it has in common.
  // Returns the logits after the last token evaluated.
  std::span<const float> fill(std::span<const int> tokens);
  std::int64_t truncate_left(std::vector<int>& tokens, std::int64_t longest);
  bool ends_text(int token) const noexcept;
  void check_stop() const;

  std::shared_ptr<const engine::Tokenizer> tokenizer_;
  engine::Session session_;
  const std::atomic<bool>* stop_;
  std::vector<int> ends_;    // ids that end a text
  std::vector<int> cached_;  // the tokens whose keys and values the session holds
  EngineModelCounts counts_;
};

}  // namespace tern::harness
