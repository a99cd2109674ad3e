#include "energy/perf_counters.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/catch.h"

using namespace tern::energy;

TEST_CASE("cycles and instructions are usable and move, or are absent with a reason") {
  const int self = static_cast<int>(::syscall(SYS_gettid));
  PerfCounters counters({&self, 1});
  REQUIRE(counters.counters().size() == 2);
  CHECK(counters.counters()[0].name == "cycles");
  CHECK(counters.counters()[1].name == "instructions");
  counters.start();
  for (volatile int i = 0; i < 2'000'000;) i = i + 1;
  const auto values = counters.stop();
  REQUIRE(values.size() == 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const CounterInfo& info = counters.counters()[i];
    INFO(info.name << ": " << info.event << ' ' << info.why_not << values[i].why);
    CHECK(values[i].name == info.name);
    CHECK_FALSE(info.event.empty());
    CHECK(info.usable == info.why_not.empty());
    if (info.usable) {
      CHECK(values[i].measured == values[i].why.empty());
      if (values[i].measured) CHECK(values[i].value > 100'000);
    } else {
      CHECK_FALSE(values[i].measured);
      CHECK(values[i].value == 0);
      CHECK(values[i].why == info.why_not);
      // libpfm4 knows both events on every CPU: what fails is the kernel's answer.
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
