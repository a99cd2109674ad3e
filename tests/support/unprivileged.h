#pragma once
// Not root for a while, in this thread alone (the C library's call would change all threads).

#include <sys/syscall.h>
#include <unistd.h>

namespace tern::tests {

class Unprivileged {
 public:
  Unprivileged() : was_root_(::geteuid() == 0 && set(65534) == 0) {}
  ~Unprivileged() {
    if (was_root_) set(0);
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

 private:
  static long set(unsigned id) { return ::syscall(SYS_setresuid, -1, id, -1); }
  bool was_root_;
};

}  // namespace tern::tests
