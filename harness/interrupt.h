#pragma once
// SIGINT as a question that long work looks at between its steps.

#include <atomic>

namespace tern::harness {

// The first SIGINT from now on sets interrupted(); a second one ends the process as usual.
void stop_on_sigint() noexcept;
const std::atomic<bool>& interrupted() noexcept;

}  // namespace tern::harness
