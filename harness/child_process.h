#pragma once
// Runs one command as its user would: found in PATH, executed without a shell, with the standard
// streams, the environment, the working directory and the terminal of this process. Says what it
// took, as the kernel accounts it, and holds it back until its meters run.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "harness/child_signals.h"
#include "harness/command_usage.h"

namespace tern::harness {

struct ChildHooks {
  // The child exists and waits before its exec: open counters of it, start meters.
  std::function<void(int process_id)> ready;
  // It has ended and its time has been taken: stop meters.
  std::function<void()> ended;
};

struct ChildRun {
  int exec_error = 0;  // errno; not 0: no program was executed and the rest says nothing
  std::int64_t start_unix_ns = 0;
  std::int64_t elapsed_ns = 0;  // CLOCK_MONOTONIC, from before exec until its end was seen
  CommandUsage usage;
};

// argv: at least the program. Throws Error (exit code 125) when there can be no child at all.
ChildRun run_child(const std::vector<std::string>& argv, ChildSignals& signals,
                   const ChildHooks& hooks);

// Where exec is to look: the name itself when it holds a slash, otherwise in each folder of `path`
// (an empty one is the working directory). path: as in the environment variable PATH.
std::vector<std::string> executable_candidates(const std::string& name, const std::string& path);

}  // namespace tern::harness
