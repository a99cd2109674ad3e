#include "energy/bounded_command.h"

#include <signal.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using namespace std::chrono_literals;
using tern::tests::FakeSysfs;

TEST_CASE("a command's output and exit code come back, without a shell in between") {
  const CommandResult echo = run_bounded({"/bin/echo", "a  b", "$HOME", "; exit 9"}, 20s);
  CHECK(echo.error == 0);
  CHECK(echo.exit_code == 0);
  CHECK(echo.output == "a  b $HOME ; exit 9\n");
  const CommandResult failing =
      run_bounded({"/bin/sh", "-c", "echo out; echo err >&2; exit 3"}, 20s);
  CHECK(failing.exit_code == 3);
  CHECK(failing.output == "out\nerr\n");
  CHECK(run_bounded({"/bin/sh", "-c", "kill -9 $$"}, 20s).exit_code == 128 + SIGKILL);
  CHECK(run_bounded({"/bin/sh", "-c", "cat; echo $LC_ALL"}, 20s).output == "C\n");
}

TEST_CASE("a command that does not answer is killed, its children too") {
  const CommandResult hung = run_bounded({"/bin/sh", "-c", "echo begun; sleep 600"}, 300ms);
  CHECK(hung.error == ETIMEDOUT);
  // The child holds the pipe open although its parent has gone.
  const CommandResult orphan = run_bounded({"/bin/sh", "-c", "sleep 600 & exit 0"}, 300ms);
  CHECK(orphan.error == ETIMEDOUT);
  // The output is closed, the program goes on.
  const CommandResult silent =
      run_bounded({"/bin/sh", "-c", "exec >/dev/null 2>&1; sleep 600"}, 300ms);
  CHECK(silent.error == ETIMEDOUT);
}

TEST_CASE("what a command leaves behind is killed with it") {
  const FakeSysfs tree;
  const std::string note = tree.path("pid").string();
  const CommandResult hung =
      run_bounded({"/bin/sh", "-c", "sleep 600 & echo $! > '" + note + "'; wait"}, 2s);
  REQUIRE(hung.error == ETIMEDOUT);
  int child = 0;
  REQUIRE(std::ifstream(note) >> child);
  // Gone, or a zombie where nobody collects orphans; it need not happen at once.
  const auto gone = [&] {
    const std::string stat = "/proc/" + std::to_string(child) + "/stat";
    std::string word;
    std::ifstream file(stat);
    for (int i = 0; i < 3 && file >> word; ++i) {
    }
    return !file || word == "Z" || word == "X";
  };
  bool ended = false;
  for (int i = 0; i < 600 && !ended; ++i) {
    ended = gone();
    if (!ended) std::this_thread::sleep_for(50ms);
  }
  CHECK(ended);
  if (!ended) ::kill(child, SIGKILL);
}

TEST_CASE("a command that says too much is killed") {
  CHECK(run_bounded({"/bin/sh", "-c", "while :; do echo xxxxxxxxxxxxxxxxxxxx; done"}, 60s).error ==
        E2BIG);
}

TEST_CASE("what cannot be started is an errno value") {
  const FakeSysfs tree;
  CHECK(run_bounded({tree.path("none").string()}, 20s).error == ENOENT);
  tree.write("plain", "no program\n");
  CHECK(run_bounded({tree.path("plain").string()}, 20s).error == EACCES);
  CHECK(run_bounded({}, 20s).error == EINVAL);
}
