#include "harness/child_signals.h"

#include <string.h>
#include <time.h>

#include <cerrno>
#include <cmath>

namespace tern::harness {
namespace {

constexpr int kPassedOn[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};

timespec until(const timespec& end) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  timespec left{.tv_sec = end.tv_sec - now.tv_sec, .tv_nsec = end.tv_nsec - now.tv_nsec};
  if (left.tv_nsec < 0) {
    left.tv_nsec += 1'000'000'000;
    --left.tv_sec;
  }
  if (left.tv_sec < 0) left = {};
  return left;
}

}  // namespace

ChildSignals::ChildSignals() {
  // Where SIGCHLD is ignored, the kernel reaps children and their usage is lost.
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &standard, &child_before_);
  sigemptyset(&mine_);
  sigaddset(&mine_, SIGCHLD);
  for (const int signal : kPassedOn) {
    struct sigaction now {};
    sigaction(signal, nullptr, &now);
    if (now.sa_handler != SIG_IGN) sigaddset(&mine_, signal);
  }
  pthread_sigmask(SIG_BLOCK, &mine_, &before_);
}

// What is still pending has done its work: it must not end the process now.
ChildSignals::~ChildSignals() {
  const timespec none{};
  while (sigtimedwait(&mine_, nullptr, &none) > 0) {
  }
  restore();
}

void ChildSignals::restore() const noexcept {
  sigaction(SIGCHLD, &child_before_, nullptr);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

// The signal that came, or 0. Everything but SIGCHLD asks to stop.
int ChildSignals::take(const timespec* patience, int child) {
  siginfo_t info{};
  const int signal =
      patience == nullptr ? sigwaitinfo(&mine_, &info) : sigtimedwait(&mine_, &info, patience);
  if (signal <= 0) return 0;
  if (signal == SIGCHLD) return signal;
  if (stop_signal_ == 0) stop_signal_ = signal;
  // The kernel sends what a terminal asks for to the whole foreground group. The child has not been
  // waited for, so its id is its own.
  if (child > 0 && info.si_code != SI_KERNEL) ::kill(child, signal);
  return signal;
}

void ChildSignals::wait_for_child(int child) {
  while (take(nullptr, child) != SIGCHLD) {
  }
}

bool ChildSignals::sleep(double seconds) {
  timespec end{};
  clock_gettime(CLOCK_MONOTONIC, &end);
  const double whole = std::floor(seconds);
  end.tv_sec += static_cast<time_t>(whole);
  end.tv_nsec += static_cast<long>((seconds - whole) * 1e9);
  if (end.tv_nsec >= 1'000'000'000) {
    end.tv_nsec -= 1'000'000'000;
    ++end.tv_sec;
  }
  while (stop_signal_ == 0) {
    const timespec left = until(end);
    if (take(&left, 0) == 0 && left.tv_sec == 0 && left.tv_nsec == 0) break;
  }
  return stop_signal_ == 0;
}

int ChildSignals::stop_signal() {
  const timespec none{};
  while (take(&none, 0) > 0) {
  }
  return stop_signal_;
}

const char* signal_name(int signal) noexcept {
  switch (signal) {
    case SIGHUP:
      return "SIGHUP";
    case SIGINT:
      return "SIGINT";
    case SIGQUIT:
      return "SIGQUIT";
    case SIGILL:
      return "SIGILL";
    case SIGABRT:
      return "SIGABRT";
    case SIGBUS:
      return "SIGBUS";
    case SIGFPE:
      return "SIGFPE";
    case SIGKILL:
      return "SIGKILL";
    case SIGSEGV:
      return "SIGSEGV";
    case SIGPIPE:
      return "SIGPIPE";
    case SIGALRM:
      return "SIGALRM";
    case SIGTERM:
      return "SIGTERM";
    default:
      return "a signal";
  }
}

}  // namespace tern::harness
