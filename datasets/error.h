#pragma once
// The one exception type of this folder: a file that is missing or does not hold what it should.
// The message is one sentence: what, where (file and line), expected, got.

#include <stdexcept>

namespace tern::datasets {

class FormatError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace tern::datasets
