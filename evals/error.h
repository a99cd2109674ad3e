#pragma once
// The one exception type of this folder: options a task cannot follow, or an answer it cannot
// score. The message is one sentence: what, where, expected, got.

#include <stdexcept>

namespace tern::evals {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace tern::evals
