#include "evals/rolling.h"

#include <algorithm>

namespace tern::evals {

std::vector<RollingWindow> rolling_windows(std::size_t tokens, std::size_t longest) {
  std::vector<RollingWindow> windows;
  for (std::size_t predicted = 0; predicted < tokens;) {
    const std::size_t end = std::min(predicted + longest, tokens);
    // The last token of a window is judged and never given, so one more than `longest` are at hand.
    windows.push_back({predicted == 0 ? 0 : end - longest - 1, predicted, end});
    predicted = end;
  }
  return windows;
}

}  // namespace tern::evals
