#include "harness/child_process.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;

ChildRun shell(const std::string& script, ChildSignals& signals) {
  return run_child({"sh", "-c", script}, signals, {[](int) {}, [] {}});
}

TEST_CASE("a program is looked for as the environment says") {
  CHECK(executable_candidates("ls", "/bin:/usr/bin") ==
        std::vector<std::string>{"/bin/ls", "/usr/bin/ls"});
  CHECK(executable_candidates("ls", "::/bin") ==
        std::vector<std::string>{"./ls", "./ls", "/bin/ls"});
  CHECK(executable_candidates("ls", "") == std::vector<std::string>{"./ls"});
  CHECK(executable_candidates("./ls", "/bin") == std::vector<std::string>{"./ls"});
  CHECK(executable_candidates("", "/bin").empty());
}

TEST_CASE("a command's end is what the kernel says of it") {
  ChildSignals signals;
  const ChildRun fine = shell("exit 0", signals);
  CHECK(fine.exec_error == 0);
  CHECK(fine.usage.exit_code == 0);
  CHECK(fine.usage.why.empty());
  CHECK(fine.elapsed_ns > 0);
  CHECK(fine.start_unix_ns > 0);
  const ChildRun failed = shell("exit 7", signals);
  CHECK(failed.usage.exit_code == 7);
  CHECK_THAT(failed.usage.why, Contains("exited with 7"));
  const ChildRun killed = shell("kill -KILL $$", signals);
  CHECK(killed.usage.exit_code == 137);
  CHECK(killed.usage.signal == 9);
  CHECK_THAT(killed.usage.why, Contains("SIGKILL"));
  CHECK(signals.stop_signal() == 0);
}

TEST_CASE("what cannot be executed has its errno") {
  ChildSignals signals;
  const ChildHooks nothing{[](int) {}, [] {}};
  CHECK(run_child({"no-such-program-anywhere"}, signals, nothing).exec_error == ENOENT);
  CHECK(run_child({""}, signals, nothing).exec_error == ENOENT);
  CHECK(run_child({"/"}, signals, nothing).exec_error == EACCES);
}

TEST_CASE("meters start before the command does and stop when it has ended") {
  ChildSignals signals;
  std::string order;
  int pid = 0;
  const ChildRun run = run_child({"sh", "-c", "exit 3"}, signals,
                                 {[&](int process_id) {
                                    order += "ready ";
                                    pid = process_id;
                                    // Alive, and still this program: it has not called exec.
                                    CHECK(::kill(process_id, 0) == 0);
                                  },
                                  [&] {
                                    order += "ended ";
                                    CHECK(::kill(pid, 0) == -1);
                                  }});
  CHECK(order == "ready ended ");
  CHECK(pid > 0);
  CHECK(run.usage.exit_code == 3);
}

TEST_CASE("a child that dies before its exec is an ended command, not an end of ours") {
  ChildSignals signals;
  const ChildRun run = run_child({"sh", "-c", "exit 0"}, signals,
                                 {[](int process_id) { ::kill(process_id, SIGKILL); }, [] {}});
  CHECK(run.exec_error == 0);
  CHECK(run.usage.exit_code == 137);
}

TEST_CASE("CPU time is of all that was waited for, memory only where it can be told") {
  ChildSignals signals;
  const ChildRun run =
      shell("i=0; (while [ $i -lt 100000 ]; do i=$((i+1)); done); exit 0", signals);
  CHECK(run.usage.user_ns > 0);
  CHECK((run.usage.peak_rss_bytes > 0) == run.usage.why_no_peak.empty());
}

TEST_CASE("a signal is passed on, ends a sleep and is remembered") {
  ChildSignals signals;
  CHECK(signals.sleep(0.001));
  const ChildRun run = run_child({"sh", "-c", "exec sleep 600"}, signals,
                                 {[](int) { ::kill(::getpid(), SIGTERM); }, [] {}});
  CHECK(run.usage.exit_code == 143);
  CHECK(signals.stop_signal() == SIGTERM);
  CHECK_FALSE(signals.sleep(600));
}

TEST_CASE("what a terminal sent has reached the command already and is not repeated") {
  ChildSignals signals;
  const ChildRun run =
      run_child({"sh", "-c", "exit 0"}, signals,
                {[](int) {
                   siginfo_t from_kernel{};
                   from_kernel.si_code = SI_KERNEL;  // as Ctrl-C has it
                   ::syscall(SYS_rt_sigqueueinfo, ::getpid(), SIGINT, &from_kernel);
                 },
                 [] {}});
  CHECK(run.usage.exit_code == 0);
  CHECK(signals.stop_signal() == SIGINT);
}

TEST_CASE("signals are as before when the object is gone") {
  sigset_t before, after;
  pthread_sigmask(SIG_BLOCK, nullptr, &before);
  {
    const ChildSignals signals;
    ::kill(::getpid(), SIGTERM);  // pending, and never taken
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, nullptr, &now);
    CHECK(sigismember(&now, SIGTERM) == 1);
  }
  pthread_sigmask(SIG_BLOCK, nullptr, &after);
  CHECK(sigismember(&after, SIGTERM) == sigismember(&before, SIGTERM));
  CHECK(sigismember(&after, SIGCHLD) == sigismember(&before, SIGCHLD));
}

}  // namespace
}  // namespace tern::harness
