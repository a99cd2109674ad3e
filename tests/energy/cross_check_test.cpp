#include "energy/cross_check.h"

#include <cerrno>

#include "tests/energy/simulated_rapl.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::rapl_domain;
using tern::tests::rapl_info;
using tern::tests::SimulatedRapl;

namespace {

std::unique_ptr<SimulatedRapl> source(const std::string& name, double package_w, double dram_w) {
  SourceInfo info = rapl_info({rapl_domain("package-0", DomainKind::kPackage, 0),
                               rapl_domain("package-0/dram", DomainKind::kDram, 0)});
  info.name = name;
  return std::make_unique<SimulatedRapl>(
      std::move(info),
      std::vector<tern::tests::SimulatedCounter>{{.power_w = package_w}, {.power_w = dram_w}});
}

CrossCheck check(SimulatedRapl& a, SimulatedRapl& b, double time_s = 0.09) {
  return compare_sources(a, b, [&] {
    a.pass(time_s);
    b.pass(time_s);
  });
}

}  // namespace

TEST_CASE("two meters of the same counters agree to a few per cent") {
  const auto perf = source("perf", 100, 10);
  const auto powercap = source("powercap", 97, 10);
  const CrossCheck result = check(*perf, *powercap);
  INFO(result.text);
  CHECK_FALSE(result.disagrees);
  CHECK_THAT(result.text, Contains("perf and powercap agree within"));
}

TEST_CASE("a disagreement names the domain and both figures") {
  const auto perf = source("perf", 100, 10);
  const auto powercap = source("powercap", 100, 330);  // a unit of another model
  const CrossCheck result = check(*perf, *powercap);
  CHECK(result.disagrees);
  CHECK_THAT(result.text, Contains("disagree") && Contains("package-0/dram: perf counted 0.9 J") &&
                              Contains("powercap 29."));
  CHECK_THAT(result.text, !Contains("package-0:"));
}

TEST_CASE("a meter that fails during the comparison disagrees") {
  const auto perf = source("perf", 100, 10);
  const auto powercap = source("powercap", 100, 10);
  powercap->counter(0).error = ENODEV;
  const CrossCheck result = check(*perf, *powercap);
  CHECK(result.disagrees);
  CHECK_THAT(result.text, Contains("package-0 of powercap") && Contains("No such device"));
}

TEST_CASE("nothing in common is nothing to say") {
  const auto perf = source("perf", 100, 10);
  const auto other =
      std::make_unique<SimulatedRapl>(rapl_info({rapl_domain("rail", DomainKind::kRail, -1)}),
                                      std::vector<tern::tests::SimulatedCounter>(1));
  const CrossCheck result = check(*perf, *other);
  CHECK(result.text.empty());
  CHECK_FALSE(result.disagrees);
}

TEST_CASE("both probes carry the outcome, and copies of trees are not compared") {
  const auto probes_of = [](bool live) {
    std::vector<Probe> probes(3);
    probes[0].name = "perf";
    probes[1].name = "hwmon";
    probes[2].name = "powercap";
    for (const int i : {0, 2}) {
      SourceInfo info = rapl_info({rapl_domain("package-0", DomainKind::kPackage, 0)});
      info.name = probes[static_cast<std::size_t>(i)].name;
      info.live = live;
      probes[static_cast<std::size_t>(i)].source = std::make_unique<SimulatedRapl>(
          std::move(info), std::vector<tern::tests::SimulatedCounter>{{.power_w = 50.0 + i * 50}});
    }
    cross_check(probes, [&] {
      for (const int i : {0, 2}) {
        static_cast<SimulatedRapl&>(*probes[static_cast<std::size_t>(i)].source).pass(0.09);
      }
    });
    return probes;
  };
  const std::vector<Probe> live = probes_of(true);
  CHECK(live[0].disagrees);
  CHECK(live[2].disagrees);
  CHECK(live[0].cross_check == live[2].cross_check);
  CHECK(live[1].cross_check.empty());
  CHECK(why_not_compared(live).empty());
  const std::vector<Probe> copies = probes_of(false);
  CHECK_FALSE(copies[0].disagrees);
  CHECK(copies[0].cross_check.empty());
  CHECK_THAT(why_not_compared(copies), Contains("another root"));
  std::vector<Probe> one = probes_of(true);
  one[2].source.reset();
  CHECK(why_not_compared(one) == "powercap is not usable");
  one[0].cross_check.clear();
  CHECK(why_not_compared({}) == "perf is not usable");
  std::vector<Probe> apart = probes_of(true);
  apart[0].cross_check.clear();
  CHECK_THAT(why_not_compared(apart), Contains("no domain in common"));
}
