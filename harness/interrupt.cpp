#include "harness/interrupt.h"

#include <signal.h>

namespace tern::harness {

namespace {

std::atomic<bool> flag{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler may touch nothing else

}  // namespace

void stop_on_sigint() noexcept {
  struct sigaction action {};
  action.sa_handler = [](int) { flag.store(true); };
  action.sa_flags = SA_RESETHAND;
  sigaction(SIGINT, &action, nullptr);
}

const std::atomic<bool>& interrupted() noexcept { return flag; }

}  // namespace tern::harness
