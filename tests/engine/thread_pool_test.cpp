#include "engine/thread_pool.h"

#include <sched.h>

#include <set>
#include <vector>

#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using engine::ThreadPool;

TEST_CASE("every member runs each job once, and run waits for all", "[thread_pool]") {
  const int threads = GENERATE(1, 2, 3, 8);
  const int spin_us = GENERATE(0, 20);
  ThreadPool pool({.threads = threads, .spin_us = spin_us});
  CHECK(pool.threads() == threads);
  std::vector<int> counts(
      static_cast<std::size_t>(threads));  // unsynchronised: TSan would see a race
  for (int job = 0; job < 300; ++job) {
    pool.run([&](int member) { ++counts[static_cast<std::size_t>(member)]; });
    if (job % 100 == 50) pool.park();
  }
  CHECK(counts == std::vector<int>(static_cast<std::size_t>(threads), 300));
}

TEST_CASE("parallel_rows covers the range once, in whole grains", "[thread_pool]") {
  ThreadPool pool({.threads = 3, .spin_us = 20});
  const std::int64_t total = GENERATE(0, 1, 15, 16, 17, 100, 1000);
  std::vector<int> seen(static_cast<std::size_t>(total));
  std::atomic<bool> aligned{true};
  pool.parallel_rows(total, 16, [&](std::int64_t begin, std::int64_t end) {
    if (begin % 16 != 0 || (end % 16 != 0 && end != total)) aligned = false;
    for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
  });
  CHECK(seen == std::vector<int>(static_cast<std::size_t>(total), 1));
  CHECK(aligned);
}

TEST_CASE("parallel_items hands out each item once", "[thread_pool]") {
  ThreadPool pool({.threads = 4, .spin_us = 20});
  std::vector<int> seen(501);
  pool.parallel_items(501, [&](std::int64_t i) { ++seen[static_cast<std::size_t>(i)]; });
  CHECK(seen == std::vector<int>(501, 1));
}

TEST_CASE("the pool names its kernel threads and its pinning", "[thread_pool]") {
  ThreadPool pool({.threads = 3, .pin = false});
  const auto& ids = pool.thread_ids();
  CHECK(std::set<int>(ids.begin(), ids.end()).size() == 3);
  CHECK(std::set<int>(ids.begin(), ids.end()).count(0) == 0);
  CHECK(pool.pinning() == "not pinned: switched off");
  CHECK(pool.cpus().empty());
}

TEST_CASE("a pinned pool gives the caller its CPUs back", "[thread_pool]") {
  cpu_set_t before;
  REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0);
  {
    ThreadPool pool({.threads = 1});
    if (pool.cpus().empty()) {
      WARN("no topology here: " << pool.pinning());
      return;
    }
    CHECK(pool.pinning() == "pinned to CPUs " + std::to_string(pool.cpus()[0]));
    cpu_set_t pinned;
    REQUIRE(sched_getaffinity(0, sizeof(pinned), &pinned) == 0);
    CHECK(CPU_COUNT(&pinned) == 1);
  }
  cpu_set_t after;
  REQUIRE(sched_getaffinity(0, sizeof(after), &after) == 0);
  CHECK(CPU_EQUAL(&before, &after));
}

TEST_CASE("more threads than CPUs are not pinned, and say so", "[thread_pool]") {
  ThreadPool pool({.threads = 300, .spin_us = 0});
  if (engine::physical_cores() >= 150) return;
  CHECK(pool.pinning().starts_with("not pinned: 300 threads on "));
}

TEST_CASE("a machine has at least one core", "[thread_pool]") {
  CHECK(engine::physical_cores() >= 1);
}

}  // namespace
}  // namespace tern::tests
