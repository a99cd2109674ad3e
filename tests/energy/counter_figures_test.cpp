#include "energy/counter_figures.h"

#include "tests/support/catch.h"

using namespace tern::energy;

namespace {

std::vector<CounterValue> window(double cycles, double instructions, double time_s,
                                 double share = 1) {
  return {{"cycles", true, cycles, share, "", time_s},
          {"instructions", true, instructions, 1, "", time_s}};
}

}  // namespace

TEST_CASE("instructions per cycle and the clock at which threads ran") {
  const CounterFigures one = figures(window(6e9, 12e9, 2));
  CHECK(one.ipc.value() == Approx(2));
  CHECK(one.frequency_hz.value() == Approx(3e9));
  CHECK_FALSE(one.scaled);
  CHECK(figures(window(6e9, 12e9, 2, 0.5)).scaled);
  CHECK_FALSE(figures(window(6e9, 12e9, 2, 0.99999)).scaled);
}

TEST_CASE("a figure without all it needs does not exist") {
  std::vector<CounterValue> values = window(6e9, 12e9, 0);
  CHECK_FALSE(figures(values).frequency_hz.has_value());
  values[1] = {"instructions", false, 0, 0, "no PMU", 0};
  CHECK_FALSE(figures(values).ipc.has_value());
  values[0] = {"cycles", false, 0, 0, "no PMU", 0};
  CHECK_FALSE(figures(values).frequency_hz.has_value());
  CHECK_FALSE(figures({}).ipc.has_value());
  CHECK_FALSE(figures(window(0, 0, 1)).ipc.has_value());
}

TEST_CASE("windows add up, and one without a count leaves no sum") {
  const std::vector<std::vector<CounterValue>> both = {window(1e9, 3e9, 1),
                                                       window(3e9, 5e9, 1, 0.5)};
  const std::vector<CounterValue> total = sum(both);
  REQUIRE(total.size() == 2);
  CHECK(figures(total).ipc.value() == Approx(2));
  CHECK(figures(total).frequency_hz.value() == Approx(2e9));
  CHECK(total[0].running_share == Approx(0.5));
  std::vector<std::vector<CounterValue>> broken = both;
  broken[1][0] = {"cycles", false, 0, 0, "taken", 0};
  CHECK_FALSE(sum(broken)[0].measured);
  CHECK(sum(broken)[0].why == "taken");
  CHECK(sum(broken)[0].value == 0);
  CHECK(sum(broken)[1].measured);
  broken[1].clear();
  CHECK_FALSE(sum(broken)[1].measured);
  CHECK(sum({}).empty());
  CHECK(find(total, "cycles") == &total[0]);
  CHECK(find(total, "llc_misses") == nullptr);
}
