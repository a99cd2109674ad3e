#pragma once
// A language model that says what the test tells it to, and remembers what it was asked.

#include <map>
#include <string>
#include <vector>

#include "evals/language_model.h"

namespace tern::tests {

class ScriptedModel final : public evals::LanguageModel {
 public:
  std::map<std::string, double> likelihoods;  // by continuation
  evals::Generation generation;
  std::vector<evals::Likelihood> rolling;
  std::vector<std::string> asked;  // contexts, prompts or texts
  evals::GenerationLimits limits;

  std::vector<evals::Likelihood> log_likelihoods(
      const std::string& context, std::span<const std::string> continuations) override {
    asked.push_back(context);
    std::vector<evals::Likelihood> answer;
    for (const std::string& continuation : continuations)
      answer.push_back({likelihoods.at(continuation), false, 1});
    return answer;
  }

  std::vector<evals::Likelihood> rolling_log_likelihoods(const std::string& text) override {
    asked.push_back(text);
    return rolling;
  }

  evals::Generation generate(const std::string& prompt,
                             const evals::GenerationLimits& wanted) override {
    asked.push_back(prompt);
    limits = wanted;
    return generation;
  }
};

}  // namespace tern::tests
