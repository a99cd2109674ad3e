#include "energy/cpu_spent.h"

#include <sys/resource.h>
#include <time.h>

#include <string>
#include <thread>

#include "energy/external/child_output.h"
#include "energy/stamp.h"
#include "tests/support/catch.h"

using namespace tern::energy;

namespace {

std::int64_t thread_ns() { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

// What the kernel counted for all children that this process waited for.
std::int64_t children_ns() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  const auto ns = [](const timeval& t) { return t.tv_sec * 1'000'000'000 + t.tv_usec * 1000; };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

// Of helpers alone lies between these two, whatever the thread itself spends meanwhile.
struct Bounds {
  std::int64_t low = 0, high = 0;
};
Bounds helpers_ns() {
  const std::int64_t before = thread_ns();
  const std::int64_t spent = cpu_spent_ns();
  const std::int64_t after = thread_ns();
  return {spent - after, spent - before};
}

// User and system time are whole microseconds, rounded down of one child and again of the sum of
// all children.
constexpr std::int64_t kRounding_ns = 2'000;

const char* const kBusy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";

template <class F>
void check_children_are_counted(F&& run) {
  const Bounds first = helpers_ns();
  const std::int64_t children_before = children_ns();
  run();
  const std::int64_t grown = children_ns() - children_before;
  const Bounds last = helpers_ns();
  CHECK(grown > 0);
  CHECK(last.high - first.low >= grown - kRounding_ns);
  CHECK(last.low - first.high <= grown + kRounding_ns);
}

}  // namespace

TEST_CASE("a program that answers a question counts as the thread's that asked") {
  check_children_are_counted([] {
    CHECK(run_child({"/bin/sh", "-c", kBusy}, {.limit_s = 60}).exit_code == 0);
  });
}

TEST_CASE("a program that was killed counts too") {
  const std::string forever = "while :; do :; done";
  check_children_are_counted([&] {
    CHECK_FALSE(run_child({"/bin/sh", "-c", forever}, {.limit_s = 0.2}).error.empty());
  });
}

TEST_CASE("each thread has a sum of its own") {
  constexpr std::int64_t kHour_ns = 3'600'000'000'000;
  const Bounds before = helpers_ns();
  std::int64_t others_ns = 0;
  std::thread([&] {
    add_helper_cpu(kHour_ns);
    others_ns = helpers_ns().high;
  }).join();
  CHECK(others_ns >= kHour_ns);
  CHECK(helpers_ns().low < before.high + kHour_ns);
  add_helper_cpu(kHour_ns);
  CHECK(helpers_ns().high >= before.low + kHour_ns);
}
