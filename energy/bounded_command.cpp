#include "energy/bounded_command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace tern::energy {
namespace {

using Clock = std::chrono::steady_clock;

int milliseconds_left(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(0, left.count()));
}

// A process group of its own, so that its children can be killed with it; signals as at login.
int spawn(const std::vector<std::string>& arguments, int output, pid_t& child) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  char locale[] = "LC_ALL=C";
  char path[] = "PATH=/usr/bin:/bin";
  char* const environment[] = {locale, path, nullptr};
  const int error = posix_spawn(&child, argv[0], &actions, &attributes, argv.data(), environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// 0 at the end of the output, else an errno value.
int collect(int fd, Clock::time_point deadline, std::string& output) {
  constexpr std::size_t kMost = 64 * 1024;
  char buffer[4096];
  for (;;) {
    pollfd ready{fd, POLLIN, 0};
    const int count = ::poll(&ready, 1, milliseconds_left(deadline));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return ETIMEDOUT;
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return 0;
    if (output.size() + static_cast<std::size_t>(got) > kMost) return E2BIG;
    output.append(buffer, static_cast<std::size_t>(got));
  }
}

// A program may close its output and go on.
int await_exit(pid_t child, Clock::time_point deadline, int& status) {
  for (;;) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return 0;
    if (ended < 0 && errno != EINTR) return errno;
    if (Clock::now() >= deadline) return ETIMEDOUT;
    const timespec pause{0, 500'000};
    ::nanosleep(&pause, nullptr);
  }
}

}  // namespace

CommandResult run_bounded(const std::vector<std::string>& arguments,
                          std::chrono::milliseconds limit) {
  CommandResult result;
  const Clock::time_point deadline = Clock::now() + limit;
  if (arguments.empty()) {
    result.error = EINVAL;
    return result;
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    result.error = errno;
    return result;
  }
  pid_t child = 0;
  result.error = spawn(arguments, ends[1], child);
  ::close(ends[1]);
  if (result.error == 0) {
    int status = 0;
    result.error = collect(ends[0], deadline, result.output);
    if (result.error == 0) result.error = await_exit(child, deadline, status);
    if (result.error != 0 && result.error != ECHILD) {
      ::kill(-child, SIGKILL);
      while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
      }
    }
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  ::close(ends[0]);
  return result;
}

}  // namespace tern::energy
