#include "energy/perf_counters.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/catch.h"

using namespace tern::energy;

TEST_CASE("every counter is usable and moves, or is absent with a reason") {
  const int self = static_cast<int>(::syscall(SYS_gettid));
  for (const CounterSet set : {CounterSet::kDefault, CounterSet::kDetail}) {
    PerfCounters counters({&self, 1}, set);
    REQUIRE(counters.counters().size() == 5);
    counters.start();
    for (volatile int i = 0; i < 2'000'000;) i = i + 1;
    const auto values = counters.stop();
    REQUIRE(values.size() == 5);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const CounterInfo& info = counters.counters()[i];
      INFO(info.name << ": " << info.event << ' ' << info.why_not << values[i].why);
      CHECK(values[i].name == info.name);
      CHECK(info.usable == info.why_not.empty());
      if (info.usable) {
        CHECK(values[i].measured == values[i].why.empty());
        if (values[i].measured) CHECK(values[i].time_s > 0);
      } else {
        CHECK_FALSE(values[i].measured);
        CHECK(values[i].value == 0);
        CHECK(values[i].time_s == 0);
        CHECK(values[i].why == info.why_not);
      }
    }
  }
}

TEST_CASE("cycles and instructions come first, and libpfm4 knows both on every CPU") {
  const int self = static_cast<int>(::syscall(SYS_gettid));
  PerfCounters counters({&self, 1});
  counters.start();
  for (volatile int i = 0; i < 2'000'000;) i = i + 1;
  const auto values = counters.stop();
  CHECK(counters.counters()[0].name == "cycles");
  CHECK(counters.counters()[1].name == "instructions");
  for (std::size_t i = 0; i < 2; ++i) {
    const CounterInfo& info = counters.counters()[i];
    CHECK_FALSE(info.event.empty());
    if (values[i].measured) CHECK(values[i].value > 100'000);
    // What fails is the kernel's answer.
    if (!info.usable) {
      CHECK_THAT(info.why_not,
                 Catch::Contains("perf_event_open") || Catch::Contains("does not count"));
    }
  }
}

TEST_CASE("several counters of one process do not disturb each other") {
  const int self = static_cast<int>(::syscall(SYS_gettid));
  PerfCounters first({&self, 1});
  PerfCounters second({&self, 1});
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(first.counters()[i].event == second.counters()[i].event);
  }
}
