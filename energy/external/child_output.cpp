#include "energy/external/child_output.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

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

// 0 or an errno value. The child has a process group and the default signals of its own.
int spawn(const std::vector<std::string>& arguments, const Pipe& out, const Pipe& err, pid_t& pid) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t reset;
  sigemptyset(&none);
  sigemptyset(&reset);
  sigaddset(&reset, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &reset);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int error = ::posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// False at the end of the pipe, which is then closed.
bool drain(int& end, std::string& text) {
  char buffer[4096];
  const ssize_t got = ::read(end, buffer, sizeof buffer);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got <= 0) {
    Pipe::close_end(end);
    return false;
  }
  text.append(buffer, std::min(static_cast<std::size_t>(got), kLimit - text.size()));
  return true;
}

// Both pipes to their ends; false when the time is over or the caller stops.
bool collect(Pipe& out, Pipe& err, Clock::time_point deadline, const StopSignal& stop,
             ChildOutput& output) {
  while (out.read >= 0 || err.read >= 0) {
    pollfd wanted[] = {
        {out.read, POLLIN, 0}, {err.read, POLLIN, 0}, {stop.fd(), POLLIN, 0}};  // fd -1 is skipped
    const int ready = ::poll(wanted, 3, milliseconds_until(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 || wanted[2].revents != 0) return false;
    if (wanted[0].revents != 0) drain(out.read, output.out);
    if (wanted[1].revents != 0) drain(err.read, output.err);
    // A child that prints without end keeps poll from timing out.
    if (Clock::now() >= deadline) return false;
  }
  return true;
}

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// True, and its exit code, once the child has ended; false when the time is over or the caller
// stops.
bool wait_for(pid_t pid, Clock::time_point deadline, const StopSignal& stop, int& code) {
  constexpr auto kStep = std::chrono::milliseconds(2);
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) code = exit_code(status);
    if (ended == pid || (ended < 0 && errno != EINTR)) return true;
    if (Clock::now() >= deadline) return false;
    if (stop.wait_until(std::min(deadline, Clock::now() + kStep))) return false;
  }
}

void kill_and_reap(pid_t pid) {
  // The group exists as long as its leader is not waited for, so this can hit nobody else.
  ::kill(-pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

ChildOutput run_child(const std::vector<std::string>& arguments, double limit_s,
                      const StopSignal& stop) {
  const Clock::time_point deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                        std::chrono::duration<double>(limit_s));
  ChildOutput output;
  Pipe out;
  Pipe err;
  pid_t pid = -1;
  output.start_errno = out.read < 0 || err.read < 0 ? EMFILE : spawn(arguments, out, err, pid);
  if (output.start_errno != 0) {
    output.error = "cannot start " + arguments[0] + ": " + error_text(output.start_errno);
    return output;
  }
  Pipe::close_end(out.write);
  Pipe::close_end(err.write);
  if (collect(out, err, deadline, stop, output) &&
      wait_for(pid, deadline, stop, output.exit_code)) {
    return output;
  }
  kill_and_reap(pid);
  output.error =
      arguments[0] + (stop.raised() ? " was called off"
                                    : " did not finish within " + short_number(limit_s) + " s");
  return output;
}

}  // namespace tern::energy
