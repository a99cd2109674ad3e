#include "energy/scmi_powercap_source.h"

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::FakeSysfs;

namespace {

void zone(const FakeSysfs& tree, const std::string& id, const std::string& name,
          const std::string& power_uw) {
  tree.write(FakeSysfs::zone_path(id) + "/name", name + "\n");
  tree.write(FakeSysfs::zone_path(id) + "/power_uw", power_uw + "\n");
}

}  // namespace

TEST_CASE("the zones at the top are the total, those below are inside them") {
  const FakeSysfs tree;
  zone(tree, "arm-scmi:0", "soc", "40000000");
  zone(tree, "arm-scmi:0:0", "big", "25000000");
  zone(tree, "arm-scmi:0:0:1", "core", "5000000");
  zone(tree, "arm-scmi:1", "memory", "6000000");
  tree.write(FakeSysfs::zone_path("arm-scmi:0") + "/constraint_0_time_window_us", "20000\n");
  tree.zone("intel-rapl:0", "package-0");
  tree.write("sys/class/powercap/arm-scmi/enabled", "1\n");
  const Probe probe = probe_scmi_powercap(tree.root());
  INFO(probe.why_not);
  REQUIRE(probe.source != nullptr);
  const SourceInfo& info = probe.source->info();
  CHECK(info.name == "scmi-powercap");
  REQUIRE(info.domains.size() == 4);
  CHECK(info.domains[0].name == "arm-scmi:0/soc");
  CHECK(info.domains[0].included);
  CHECK(info.domains[0].quantity == Quantity::kPower);
  CHECK(info.domains[0].averaging_s == Approx(0.02));
  CHECK(info.domains[1].averaging_s == Approx(0.1));
  CHECK(info.domains[1].why_excluded == "inside arm-scmi:0");
  CHECK(info.domains[2].why_excluded == "inside arm-scmi:0");
  CHECK(info.domains[3].included);
  CHECK(info.coverage == "arm-scmi:0/soc + arm-scmi:1/memory, as the firmware names it");
  std::vector<Reading> readings(4);
  probe.source->read(readings);
  CHECK(readings[0].raw == 40'000'000);
  CHECK(readings[3].raw == 6'000'000);
}

TEST_CASE("a zone without a reading leaves the total with its reason") {
  const FakeSysfs tree;
  zone(tree, "arm-scmi:0", "soc", "40000000");
  zone(tree, "arm-scmi:1", "memory", "lots");
  const Probe probe = probe_scmi_powercap(tree.root());
  REQUIRE(probe.source != nullptr);
  CHECK_THAT(probe.source->info().domains[1].why_excluded,
             Contains("not measurable") && Contains("whole number"));
  CHECK(probe.source->info().coverage == "arm-scmi:0/soc, as the firmware names it");
  zone(tree, "arm-scmi:0", "soc", "");
  const Probe none = probe_scmi_powercap(tree.root());
  CHECK(none.source == nullptr);
  CHECK_THAT(none.why_not, Contains("no usable zone") && Contains("arm-scmi:1/memory"));
}

TEST_CASE("other zones and odd names are not SCMI's") {
  const FakeSysfs tree;
  CHECK_THAT(probe_scmi_powercap(tree.root()).why_not, Contains("no arm-scmi zone"));
  tree.zone("intel-rapl:0", "package-0");
  for (const char* odd : {"arm-scmi", "arm-scmi:", "arm-scmi:x", "arm-scmi:1:", "arm-scmi:-1",
                          "arm-scmi:99999999999", "arm-scmi:1x"}) {
    zone(tree, odd, "soc", "1");
  }
  const Probe probe = probe_scmi_powercap(tree.root());
  CHECK(probe.source == nullptr);
  CHECK_THAT(probe.why_not, Contains("no arm-scmi zone"));
  CHECK(probe.remedy.empty());  // on no ARM system
  tree.write("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\n");
  CHECK_THAT(probe_scmi_powercap(tree.root()).remedy, Contains("arm_scmi_powercap"));
}
