#include "energy/energy_meter.h"
#include "energy/energy_source.h"
#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::FakeSysfs;

TEST_CASE("on this machine every meter is usable or says why not") {
  const std::vector<Probe> probes = probe_all();
  REQUIRE(probes.size() >= 2);
  CHECK(probes[0].name == "perf");  // preferred: 64 bits, exact units, the right CPUs
  CHECK(probes[1].name == "powercap");
  for (const Probe& probe : probes) {
    INFO(probe.name);
    CHECK_FALSE(probe.name.empty());
    CHECK((probe.source != nullptr) == probe.why_not.empty());
  }
}

TEST_CASE("this machine's meter gives a measured window or a reason") {
  const auto meter = open_meter();
  meter->start();
  const EnergyDelta delta = meter->stop();
  CHECK((delta.status == Status::kNotMeasured) == !delta.why.empty());
  if (!meter->usable()) {
    CHECK(delta.status == Status::kNotMeasured);
    CHECK(delta.total_joules == 0);
    CHECK_THAT(delta.why, Contains("powercap: "));
  }
}

TEST_CASE("a copied tree is metered from end to end, across a wrap") {
  const FakeSysfs tree;
  tree.cpus({0});
  tree.zone("intel-rapl:0", "package-0", 262143328900);
  tree.zone("intel-rapl:0:0", "dram", 500);
  tree.zone("intel-rapl:1", "psys", 100);
  const auto meter = open_meter(tree.root());
  REQUIRE(meter->usable());
  meter->start();
  tree.energy("intel-rapl:0", 39'989);  // 11 to the end of the range, 39 989 after it
  tree.energy("intel-rapl:0:0", 10'500);
  tree.energy("intel-rapl:1", 90'100);
  const EnergyDelta delta = meter->stop();
  INFO(delta.why);
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.source == "powercap");
  CHECK(delta.total_joules == Approx(0.05));
  CHECK(delta.domains.at(2).joules == Approx(0.09));
  CHECK(delta.coverage == "1 of 1 packages + dram");
}

TEST_CASE("a zone that breaks mid-run leaves no total") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0", 1000);
  tree.zone("intel-rapl:0:0", "dram", 500);
  const auto meter = open_meter(tree.root());
  meter->start();
  tree.energy("intel-rapl:0", 2000);
  tree.write("sys/class/powercap/intel-rapl:0:0/energy_uj", "");
  const EnergyDelta delta = meter->stop();
  CHECK(delta.status == Status::kNotMeasured);
  CHECK_THAT(delta.why, Contains("package-0/dram") && Contains("whole number"));
}

TEST_CASE("an empty tree gives a meter on nothing with every reason") {
  const FakeSysfs tree;
  const auto meter = open_meter(tree.root());
  CHECK_FALSE(meter->usable());
  CHECK_THAT(meter->stop().why,
             Contains("perf: ") && Contains("powercap: ") && Contains("does not exist"));
}
