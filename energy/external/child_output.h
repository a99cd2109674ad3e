#pragma once
// What a program prints, run as a child without a shell and bounded in time and bytes. When it
// takes too long, or the caller stops, it and whatever it started in its process group are killed.

#include <string>
#include <vector>

#include "energy/external/stop_signal.h"

namespace tern::energy {

struct ChildOutput {
  std::string error;    // why there is no result: not found, too slow, called off
  int start_errno = 0;  // of a program that could not be started
  int exit_code = -1;   // 128 + N when signal N ended it
  std::string out;
  std::string err;  // both cut at 64 KiB
};

// arguments[0] is the program, looked up in PATH when it has no slash. Its stdin is empty.
ChildOutput run_child(const std::vector<std::string>& arguments, double limit_s,
                      const StopSignal& stop);

}  // namespace tern::energy
