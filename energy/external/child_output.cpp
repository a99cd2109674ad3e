#include "energy/external/child_output.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <thread>
#include <utility>

#include "energy/cpu_spent.h"
#include "energy/external/text.h"
#include "energy/sysfs_file.h"

extern char** environ;

namespace tern::energy {
namespace {

constexpr std::size_t kLimit = 64 * 1024;

struct Pipe {
  int read = -1;
  int write = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == 0) {
      read = ends[0];
      write = ends[1];
    }
  }
  ~Pipe() {
    close_end(read);
    close_end(write);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  static void close_end(int& end) {
    if (end >= 0) ::close(std::exchange(end, -1));
  }
};

// 0 or an errno value. A process group of its own, so that its children can be killed with it;
// signals as at login.
int spawn(const std::vector<std::string>& arguments, bool plain, const Pipe& out, const Pipe& err,
          pid_t& pid) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, plain ? out.write : err.write, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  char locale[] = "LC_ALL=C";
  char path[] = "PATH=/usr/bin:/bin";
  char* plain_environment[] = {locale, path, nullptr};
  const int error = ::posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(),
                                   plain ? plain_environment : environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// What the pipe holds, if anything; at its end it is closed. False when it does not fit.
bool drain(int& end, std::string& text) {
  char buffer[4096];
  const ssize_t got = ::read(end, buffer, sizeof buffer);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got <= 0) {
    Pipe::close_end(end);
    return true;
  }
  const auto size = static_cast<std::size_t>(got);
  const std::size_t room = kLimit - text.size();
  text.append(buffer, std::min(size, room));
  return size <= room;
}

// Both pipes to their ends: 0, or why not as an errno value.
int collect(Pipe& out, Pipe& err, Clock::time_point deadline, const StopSignal* stop,
            ChildOutput& output) {
  while (out.read >= 0 || err.read >= 0) {
    pollfd wanted[] = {{out.read, POLLIN, 0},  // fd -1 is skipped
                       {err.read, POLLIN, 0},
                       {stop != nullptr ? stop->fd() : -1, POLLIN, 0}};
    const int ready = ::poll(wanted, 3, milliseconds_until(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return errno;
    if (wanted[2].revents != 0) return ECANCELED;
    if (ready == 0) return ETIMEDOUT;
    if (wanted[0].revents != 0 && !drain(out.read, output.out)) return E2BIG;
    if (wanted[1].revents != 0 && !drain(err.read, output.err)) return E2BIG;
    // A child that prints without end keeps poll from timing out.
    if (Clock::now() >= deadline) return ETIMEDOUT;
  }
  return 0;
}

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// A program may close its output and go on. 0 and its exit code once it has ended, else an errno
// value.
int wait_for(pid_t pid, Clock::time_point deadline, const StopSignal* stop, int& code) {
  constexpr auto kStep = std::chrono::microseconds(500);
  while (true) {
    int status = 0;
    rusage usage{};
    const pid_t ended = ::wait4(pid, &status, WNOHANG, &usage);
    if (ended == pid) {
      add_helper_cpu(usage);
      code = exit_code(status);
    }
    if (ended == pid || (ended < 0 && errno != EINTR)) return 0;
    if (Clock::now() >= deadline) return ETIMEDOUT;
    if (stop != nullptr && stop->raised()) return ECANCELED;
    std::this_thread::sleep_for(kStep);
  }
}

std::string sentence(const std::string& program, int error, double limit_s) {
  switch (error) {
    case ECANCELED:
      return program + " was called off";
    case E2BIG:
      return program + " said more than 64 KiB";
    case ETIMEDOUT:
      return program + " did not finish within " + short_number(limit_s) + " s";
    default:
      return "cannot hear " + program + ": " + error_text(error);
  }
}

void kill_and_reap(pid_t pid) {
  // The group exists as long as its leader is not waited for, so this can hit nobody else.
  ::kill(-pid, SIGKILL);
  rusage usage{};
  while (::wait4(pid, nullptr, 0, &usage) < 0 && errno == EINTR) {
  }
  add_helper_cpu(usage);
}

}  // namespace

ChildOutput run_child(const std::vector<std::string>& arguments, const ChildRules& rules) {
  const Clock::time_point deadline =
      Clock::now() +
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(rules.limit_s));
  ChildOutput output;
  if (arguments.empty()) {
    output.error_number = EINVAL;
    output.error = "cannot start a program without a name";
    return output;
  }
  const std::string& program = arguments[0];
  Pipe out;
  Pipe err;
  pid_t pid = -1;
  output.error_number =
      out.read < 0 || err.read < 0 ? EMFILE : spawn(arguments, rules.plain, out, err, pid);
  if (output.error_number != 0) {
    output.error = "cannot start " + program + ": " + error_text(output.error_number);
    return output;
  }
  Pipe::close_end(out.write);
  Pipe::close_end(err.write);
  output.error_number = collect(out, err, deadline, rules.stop, output);
  if (output.error_number == 0) {
    output.error_number = wait_for(pid, deadline, rules.stop, output.exit_code);
  }
  if (output.error_number != 0) {
    kill_and_reap(pid);
    output.error = sentence(program, output.error_number, rules.limit_s);
  }
  return output;
}

}  // namespace tern::energy
