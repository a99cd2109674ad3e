#include "harness/child_process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "harness/error.h"

namespace tern::harness {
namespace {

constexpr int kOwnFailure = 125;

std::int64_t read_clock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::int64_t nanoseconds(const timeval& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + std::int64_t{time.tv_usec} * 1'000;
}

class Pipe {
 public:
  Pipe() {
    if (::pipe2(ends_, O_CLOEXEC) == 0) return;
    throw Error(fmt::format("could not make a pipe to the command: {}", std::strerror(errno)),
                kOwnFailure);
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int reader() const noexcept { return ends_[0]; }
  int writer() const noexcept { return ends_[1]; }
  void close_end(int end) noexcept {
    if (ends_[end] >= 0) ::close(std::exchange(ends_[end], -1));
  }

 private:
  int ends_[2] = {-1, -1};
};

// What the child says before its exec, and after one that failed.
struct Message {
  long peak_kib = 0;  // of the child so far: what it has from this process
  int exec_error = 0;
};

bool read_message(int fd, Message& message) noexcept {
  ssize_t got = 0;
  do {
    got = ::read(fd, &message, sizeof message);
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof message);
}

// Short enough for a pipe to take whole.
void write_message(int fd, const Message& message) noexcept {
  if (::write(fd, &message, sizeof message) < 0) ::_exit(kOwnFailure);
}

// The exec of POSIX's execvp, but without its shell for files that are no program.
// Async-signal-safe: everything was allocated before the fork.
int exec_first(const std::vector<std::string>& candidates, char* const argv[]) noexcept {
  int error = ENOENT;
  for (const std::string& path : candidates) {
    ::execve(path.c_str(), argv, environ);
    // A file that may not be executed must not hide one that may, further on in PATH.
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) return errno;
    if (errno == EACCES) error = EACCES;
  }
  return error;
}

[[noreturn]] void be_the_child(const Pipe& go, const Pipe& news, const ChildSignals& signals,
                               const std::vector<std::string>& candidates, char* const argv[]) {
  ::close(go.writer());
  char byte = 0;
  // The parent is gone when there is nothing to read.
  if (::read(go.reader(), &byte, 1) != 1) ::_exit(kOwnFailure);
  Message message;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) message.peak_kib = usage.ru_maxrss;
  write_message(news.writer(), message);
  signals.restore();
  message.exec_error = exec_first(candidates, argv);
  write_message(news.writer(), message);
  ::_exit(kOwnFailure);
}

// ru_maxrss is the most of what any one process had, and a fork begins with what its parent had.
void set_peak(CommandUsage& usage, long peak_kib, long before_exec_kib) {
  constexpr std::int64_t kKib = 1024;
  if (peak_kib > before_exec_kib) {
    usage.peak_rss_bytes = peak_kib * kKib;
    return;
  }
  usage.why_no_peak = fmt::format(
      "at most the {} KiB that its process had before the command was executed in it, below which "
      "the kernel keeps no peak",
      before_exec_kib);
}

CommandUsage usage_of(int status, const rusage& taken, long before_exec_kib) {
  CommandUsage usage;
  usage.user_ns = nanoseconds(taken.ru_utime);
  usage.system_ns = nanoseconds(taken.ru_stime);
  set_peak(usage, taken.ru_maxrss, before_exec_kib);
  if (WIFSIGNALED(status)) {
    usage.signal = WTERMSIG(status);
    usage.exit_code = 128 + usage.signal;
    usage.why =
        fmt::format("it was ended by {} (signal {})", signal_name(usage.signal), usage.signal);
  } else {
    usage.exit_code = WEXITSTATUS(status);
    if (usage.exit_code != 0) usage.why = fmt::format("it exited with {}", usage.exit_code);
  }
  return usage;
}

struct Ended {
  int status = 0;
  rusage usage{};
  std::int64_t end_ns = 0;
};

Ended wait_for(pid_t child, ChildSignals& signals) {
  for (;;) {
    signals.wait_for_child(child);
    Ended ended;
    ended.end_ns = read_clock(CLOCK_MONOTONIC);
    const pid_t got = ::wait4(child, &ended.status, WNOHANG, &ended.usage);
    if (got == child) return ended;
    if (got < 0 && errno != EINTR) {
      throw Error(fmt::format("could not wait for the command: {}", std::strerror(errno)),
                  kOwnFailure);
    }
  }
}

}  // namespace

std::vector<std::string> executable_candidates(const std::string& name, const std::string& path) {
  if (name.empty()) return {};
  if (name.find('/') != std::string::npos) return {name};
  std::vector<std::string> candidates;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string folder = path.substr(begin, end - begin);
    candidates.push_back((folder.empty() ? "." : folder) + "/" + name);
    begin = end + 1;
  }
  return candidates;
}

ChildRun run_child(const std::vector<std::string>& argv, ChildSignals& signals,
                   const ChildHooks& hooks) {
  const char* path = std::getenv("PATH");
  // What confstr(_CS_PATH) gives on Linux, as execvp(3) has it.
  const std::vector<std::string> candidates =
      executable_candidates(argv.at(0), path != nullptr ? path : "/bin:/usr/bin");
  std::vector<char*> arguments;
  for (const std::string& text : argv) arguments.push_back(const_cast<char*>(text.c_str()));
  arguments.push_back(nullptr);

  Pipe go, news;
  const pid_t child = ::fork();
  if (child < 0) {
    throw Error(fmt::format("could not start a process for the command: {}", std::strerror(errno)),
                kOwnFailure);
  }
  if (child == 0) be_the_child(go, news, signals, candidates, arguments.data());
  news.close_end(1);  // the other end of `go` stays: a child that was killed must cost no SIGPIPE

  ChildRun run;
  hooks.ready(child);
  run.start_unix_ns = read_clock(CLOCK_REALTIME);
  const std::int64_t begin_ns = read_clock(CLOCK_MONOTONIC);
  if (::write(go.writer(), "g", 1) != 1) run.exec_error = errno;
  Message before, after;
  read_message(news.reader(), before);
  if (read_message(news.reader(), after)) run.exec_error = after.exec_error;
  const Ended ended = wait_for(child, signals);
  run.elapsed_ns = std::max<std::int64_t>(ended.end_ns - begin_ns, 1);
  hooks.ended();
  run.usage = usage_of(ended.status, ended.usage, before.peak_kib);
  return run;
}

}  // namespace tern::harness
