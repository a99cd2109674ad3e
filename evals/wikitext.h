#pragma once
// WikiText as perplexity is measured on it: its tokenised text made readable again.

#include <string>
#include <string_view>

namespace tern::evals {

// lm-evaluation-harness's detokenizer of the task wikitext, replacement by replacement, in its
// order.
std::string wikitext_detokenize(std::string_view page);

}  // namespace tern::evals
