#pragma once
// The one exception type of this folder. `code` is the exit code of the process: 2 for usage or bad
// input, 1 for a run that failed, 5 and 6 as the command line's contract says.

#include <stdexcept>
#include <string>

namespace tern::harness {

class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, int code = 2)
      : std::runtime_error(message), code_(code) {}
  int code() const noexcept { return code_; }

 private:
  int code_;
};

}  // namespace tern::harness
