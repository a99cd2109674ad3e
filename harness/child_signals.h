#pragma once
// Signals for a program that runs others and must outlive them: INT, QUIT, TERM and HUP are taken
// one by one instead of ending the process, and passed on to the child that runs. What a terminal
// sends (Ctrl-C) has reached the child already, for it goes to the whole group, and is not
// repeated. A signal that was ignored from the start (nohup, a shell's background job) stays
// ignored.

#include <signal.h>

#include <cstdint>

namespace tern::harness {

class ChildSignals {
 public:
  // Blocks the signals in the calling thread, and so in the threads it starts from now on; one
  // object at a time. Construct it before a thread is started that could take them.
  ChildSignals();
  ~ChildSignals();
  ChildSignals(const ChildSignals&) = delete;
  ChildSignals& operator=(const ChildSignals&) = delete;

  // In a fork, before exec: as if none of this had been. Async-signal-safe.
  void restore() const noexcept;

  // Waits until a child has changed its state, passing signals on to `child` meanwhile.
  void wait_for_child(int child);
  // False when a signal ended the sleep early or was taken before.
  bool sleep(double seconds);

  // The first signal that asked to stop, up to now; 0 when none did.
  int stop_signal();

 private:
  int take(const timespec* patience, int child);

  sigset_t mine_{};
  sigset_t before_{};
  struct sigaction child_before_ {};
  int stop_signal_ = 0;
};

const char* signal_name(int signal) noexcept;  // "SIGINT"; "a signal" when it has no name

}  // namespace tern::harness
