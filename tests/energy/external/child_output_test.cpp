#include "energy/external/child_output.h"

#include <signal.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

ChildOutput shell(const std::string& script, double limit_s = 60) {
  const StopSignal never;
  return run_child({"/bin/sh", "-c", script}, limit_s, never);
}

// Gone, or dead and not yet waited for by whoever inherited it.
bool is_over(const std::string& pid) {
  std::ifstream stat("/proc/" + pid + "/stat");
  std::string number, command, state;
  return !(stat >> number >> command >> state) || state == "Z";
}

}  // namespace

TEST_CASE("a child's output, its errors and its exit code") {
  const ChildOutput output = shell("echo out; echo err >&2; exit 3");
  CHECK(output.error.empty());
  CHECK(output.out == "out\n");
  CHECK(output.err == "err\n");
  CHECK(output.exit_code == 3);
  CHECK(shell("exit 0").exit_code == 0);
  CHECK(shell("kill -9 $$").exit_code == 128 + 9);
}

TEST_CASE("arguments reach the child as they are, and its stdin is empty") {
  const StopSignal never;
  const ChildOutput output = run_child({"printf", "%s|", "a b", "$HOME;", "*"}, 60, never);
  CHECK(output.out == "a b|$HOME;|*|");
  CHECK(shell("cat; echo end").out == "end\n");
}

TEST_CASE("a program that is not there is a reason") {
  const StopSignal never;
  const ChildOutput output = run_child({"no-such-program-of-this-name"}, 60, never);
  CHECK(output.start_errno == ENOENT);
  CHECK_THAT(output.error, Contains("no-such-program-of-this-name") && Contains("No such file"));
}

TEST_CASE("a child that hangs is killed, with what it started") {
  for (const char* script :
       {"sleep 1000 & echo $!; wait", "sleep 1000 >&- 2>&- & echo $!; exec >&- 2>&-; wait"}) {
    INFO(script);
    const ChildOutput output = shell(script, 0.5);
    CHECK_THAT(output.error, Contains("did not finish within 0.5 s"));
    REQUIRE_FALSE(output.out.empty());
    const std::string grandchild = output.out.substr(0, output.out.size() - 1);
    bool over = false;
    for (int i = 0; i < 1000 && !over; ++i) {
      over = is_over(grandchild);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(over);
  }
}

TEST_CASE("a child that prints without end is cut and killed") {
  const ChildOutput output = shell("while :; do echo 0123456789; done", 0.5);
  CHECK_THAT(output.error, Contains("did not finish"));
  CHECK(output.out.size() == 64 * 1024);
}

TEST_CASE("a child ends when its caller stops") {
  StopSignal stop;
  std::thread stopper([&] { stop.raise(); });
  const ChildOutput output = run_child({"/bin/sh", "-c", "sleep 1000"}, 2000, stop);
  stopper.join();
  CHECK_THAT(output.error, Contains("called off"));
}

TEST_CASE("a child has the default signals, whatever its parent blocks") {
  sigset_t pipe, before;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
  const StopSignal never;
  const ChildOutput output = run_child({"grep", "^SigBlk", "/proc/self/status"}, 60, never);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK_THAT(output.out, Contains("SigBlk:\t0000000000000000"));
}
