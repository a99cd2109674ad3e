#pragma once
// A text longer than a model's context, cut into windows whose log-likelihoods add up to the
// text's: every token is predicted once, behind as many tokens before it as fit.

#include <cstddef>
#include <vector>

namespace tern::evals {

// Tokens [predicted, end) are judged behind [context, predicted); the first window's context is the
// one token that stands for the start of a text, and `context` is 0 there.
struct RollingWindow {
  std::size_t context = 0, predicted = 0, end = 0;
  bool operator==(const RollingWindow&) const = default;
};

// lm-evaluation-harness's get_rolling_token_windows with a context of one token, then
// make_disjoint_window. longest >= 1: the tokens a model can be given at once.
std::vector<RollingWindow> rolling_windows(std::size_t tokens, std::size_t longest);

}  // namespace tern::evals
