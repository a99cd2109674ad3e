#pragma once
// A program that answers a question on its standard output, started without a shell and never
// waited for longer than allowed. What has not answered by then is killed with its children.

#include <chrono>
#include <string>
#include <vector>

namespace tern::energy {

struct CommandResult {
  int error = 0;       // errno of starting it; ETIMEDOUT and E2BIG: it was killed
  int exit_code = -1;  // when error is 0; 128 + the signal's number when a signal ended it
  std::string output;  // of both streams, at most 64 KiB
};

// arguments[0] is the path of the program; its environment is LC_ALL=C and a fixed PATH.
CommandResult run_bounded(const std::vector<std::string>& arguments,
                          std::chrono::milliseconds limit);

}  // namespace tern::energy
