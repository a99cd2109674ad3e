#pragma once
// What an evaluation needs of a model, and nothing more: log-likelihoods and text, never logits, so
// that no score depends on a system's libm and any engine can stand behind it. The harness adapts
// ours.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tern::evals {

struct Likelihood {
  double log_likelihood = 0;  // natural log, summed over the continuation's tokens
  bool greedy = false;        // every token of the continuation was the most likely one
  std::int64_t tokens = 0;    // of the continuation
};

struct Generation {
  std::string text;  // cut at the first stop string
  std::int64_t prompt_tokens = 0;
  std::int64_t new_tokens = 0;
  std::int64_t dropped_tokens =
      0;  // cut from the left of a prompt that was longer than the context
};

struct GenerationLimits {
  std::vector<std::string> until;  // stop strings; the end-of-text token always stops
  std::int64_t max_tokens = 256;
};

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  // One Likelihood per continuation of the same context, in order. Splitting of context and
  // continuation and left truncation as lm-evaluation-harness does them (formats.md, section 4.4).
  virtual std::vector<Likelihood> log_likelihoods(const std::string& context,
                                                  std::span<const std::string> continuations) = 0;

  // How likely a text is behind BOS, or EOS where there is none: one Likelihood per window
  // (rolling.h), of which a text that fits into the context has one. By default it throws Error:
  // not every engine can.
  virtual std::vector<Likelihood> rolling_log_likelihoods(const std::string& text);

  // Greedy continuation of a prompt (formats.md, section 4.1).
  virtual Generation generate(const std::string& prompt, const GenerationLimits& limits) = 0;
};

}  // namespace tern::evals
