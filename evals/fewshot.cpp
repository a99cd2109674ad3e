#include "evals/fewshot.h"

#include <algorithm>
#include <numeric>

#include "evals/error.h"
#include "evals/python_random.h"

namespace tern::evals {

using datasets::Value;

namespace {

// The first `count` of the candidates that are not the document itself.
std::vector<std::size_t> others(std::span<const std::size_t> candidates,
                                std::span<const Value> pool, const Value* document,
                                std::size_t count) {
  std::vector<std::size_t> kept;
  for (const std::size_t candidate : candidates) {
    if (kept.size() == count) break;
    if (document == nullptr || !(pool[candidate] == *document)) kept.push_back(candidate);
  }
  return kept;
}

}  // namespace

std::vector<std::vector<std::size_t>> choose_examples(std::span<const Value> documents,
                                                      std::span<const Value> pool,
                                                      const FewshotRule& rule,
                                                      const std::string& task,
                                                      const std::string& source) {
  const auto count = static_cast<std::size_t>(rule.count);
  std::vector<std::vector<std::size_t>> chosen(documents.size());
  if (count == 0) return chosen;
  const auto check = [&](std::size_t wanted, std::size_t got) {
    if (wanted <= got) return;
    throw Error(task + ": expected " + std::to_string(wanted) + " few-shot examples in " + source +
                ", got " + std::to_string(got));
  };
  const std::size_t drawn = count + (rule.leave_out_document && !rule.first_n ? 1 : 0);
  check(drawn, pool.size());
  std::vector<std::size_t> all(pool.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  PythonRandom random(rule.seed);
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const Value* document = rule.leave_out_document ? &documents[i] : nullptr;
    if (rule.first_n) {
      chosen[i] = others(all, pool, document, count);
    } else {
      const std::vector<std::size_t> sample =
          random.sample(static_cast<std::uint32_t>(pool.size()), static_cast<std::uint32_t>(drawn));
      chosen[i] = others(sample, pool, document, count);
    }
    check(count, chosen[i].size());
  }
  return chosen;
}

}  // namespace tern::evals
