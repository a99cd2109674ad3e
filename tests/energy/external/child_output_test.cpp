#include "energy/external/child_output.h"

#include <signal.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

ChildOutput shell(const std::string& script, double limit_s = 60) {
  const StopSignal never;
  return run_child({"/bin/sh", "-c", script}, {.limit_s = limit_s, .stop = &never});
}

ChildOutput plain(const std::vector<std::string>& arguments, double limit_s = 60) {
  return run_child(arguments, {.limit_s = limit_s, .plain = true});
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
  const ChildOutput output =
      run_child({"printf", "%s|", "a b", "$HOME;", "*"}, {.limit_s = 60, .stop = &never});
  CHECK(output.out == "a b|$HOME;|*|");
  CHECK(shell("cat; echo end").out == "end\n");
}

TEST_CASE("a program that is not there is a reason") {
  const StopSignal never;
  const ChildOutput output =
      run_child({"no-such-program-of-this-name"}, {.limit_s = 60, .stop = &never});
  CHECK(output.error_number == ENOENT);
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
  const ChildOutput output = shell("while :; do echo 0123456789; done");
  CHECK_THAT(output.error, Contains("said more than 64 KiB"));
  CHECK(output.error_number == E2BIG);
  CHECK(output.out.size() == 64 * 1024);
  CHECK(shell("while :; do echo 0123456789 >&2; done").error_number == E2BIG);
  CHECK(plain({"/bin/sh", "-c", "while :; do echo xxxxxxxxxxxxxxxxxxxx; done"}).error_number ==
        E2BIG);
}

TEST_CASE("a child ends when its caller stops") {
  StopSignal stop;
  std::thread stopper([&] { stop.raise(); });
  const ChildOutput output =
      run_child({"/bin/sh", "-c", "sleep 1000"}, {.limit_s = 2000, .stop = &stop});
  stopper.join();
  CHECK_THAT(output.error, Contains("called off"));
  CHECK(output.error_number == ECANCELED);
}

TEST_CASE("a child has the default signals, whatever its parent blocks") {
  sigset_t pipe, before;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
  const StopSignal never;
  const ChildOutput output =
      run_child({"grep", "^SigBlk", "/proc/self/status"}, {.limit_s = 60, .stop = &never});
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK_THAT(output.out, Contains("SigBlk:\t0000000000000000"));
}

TEST_CASE("a plain child has one stream and an environment of its own") {
  const ChildOutput echo = plain({"/bin/echo", "a  b", "$HOME", "; exit 9"});
  CHECK(echo.error_number == 0);
  CHECK(echo.exit_code == 0);
  CHECK(echo.out == "a  b $HOME ; exit 9\n");
  const ChildOutput failing = plain({"/bin/sh", "-c", "echo out; echo err >&2; exit 3"});
  CHECK(failing.exit_code == 3);
  CHECK(failing.out == "out\nerr\n");
  CHECK(failing.err.empty());
  CHECK(plain({"/bin/sh", "-c", "kill -9 $$"}).exit_code == 128 + SIGKILL);
  CHECK(plain({"/bin/sh", "-c", "cat; echo $LC_ALL"}).out == "C\n");
  CHECK(plain({"/usr/bin/env"}).out == "LC_ALL=C\nPATH=/usr/bin:/bin\n");
}

TEST_CASE("without anybody to call it off a child that does not answer is killed all the same") {
  CHECK(plain({"/bin/sh", "-c", "echo begun; sleep 600"}, 0.3).error_number == ETIMEDOUT);
  // The child holds the pipe open although its parent has gone.
  CHECK(plain({"/bin/sh", "-c", "sleep 600 & exit 0"}, 0.3).error_number == ETIMEDOUT);
  // The output is closed, the program goes on.
  CHECK(plain({"/bin/sh", "-c", "exec >/dev/null 2>&1; sleep 600"}, 0.3).error_number == ETIMEDOUT);
}

TEST_CASE("what cannot be started is an errno value") {
  const tern::tests::FakeSysfs tree;
  CHECK(plain({tree.path("none").string()}).error_number == ENOENT);
  tree.write("plain", "no program\n");
  CHECK(plain({tree.path("plain").string()}).error_number == EACCES);
  CHECK(plain({}).error_number == EINVAL);
}
