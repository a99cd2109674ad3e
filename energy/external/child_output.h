#pragma once
// What a program prints, run as a child without a shell and bounded in time and bytes. When it
// takes too long, says too much, or the caller stops, it and whatever it started in its process
// group are killed.

#include <string>
#include <vector>

#include "energy/external/stop_signal.h"

namespace tern::energy {

struct ChildRules {
  double limit_s = 0;
  const StopSignal* stop = nullptr;  // calls it off; none: nobody does
  // Its environment is LC_ALL=C and a fixed PATH instead of ours, and both its streams are one.
  bool plain = false;
};

struct ChildOutput {
  std::string error;  // why there is no result: not found, too slow, called off
  // errno of starting it; of what was killed ETIMEDOUT, E2BIG (it said too much) or ECANCELED.
  int error_number = 0;
  int exit_code = -1;  // without an error; 128 + N when signal N ended it
  std::string out;
  std::string err;  // both at most 64 KiB
};

// arguments[0] is the program, looked up in our PATH when it has no slash. Its stdin is empty, its
// signals are the default ones.
ChildOutput run_child(const std::vector<std::string>& arguments, const ChildRules& rules);

}  // namespace tern::energy
