#pragma once
// Which examples stand before which question.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "datasets/value.h"

namespace tern::evals {

// lm-evaluation-harness's, unless it is told another one.
inline constexpr std::uint32_t kFewshotSeed = 1234;

struct FewshotRule {
  int count = 0;
  bool first_n = false;
  bool leave_out_document = false;
  std::uint32_t seed = kFewshotSeed;
};

// Per document the indices into `pool` of its examples, as lm-evaluation-harness chooses them: the
// first of all, or one draw per document, in the order of documents, from one generator. So the
// examples of a document depend on how many came before it, which is why all are drawn at once.
// Throws Error, naming the task and where its examples are from, when there are too few of them.
std::vector<std::vector<std::size_t>> choose_examples(std::span<const datasets::Value> documents,
                                                      std::span<const datasets::Value> pool,
                                                      const FewshotRule& rule,
                                                      const std::string& task,
                                                      const std::string& source);

}  // namespace tern::evals
