#pragma once
// The exception type of this folder: bad input or environment (a truncated model, a prompt
// longer than the context, logits that are not finite). The message is one sentence: what, where,
// expected, got.

#include <stdexcept>
#include <string>

namespace tern::engine {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The input was read and the model ran, but what came out is of no use: a failed run, not bad
// input.
class RunError : public Error {
 public:
  using Error::Error;
};

}  // namespace tern::engine
