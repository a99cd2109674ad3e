#include "energy/powercap_zones.h"

#include <cerrno>
#include <cmath>

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using tern::tests::FakeSysfs;

namespace {

std::vector<PowercapZone> zones_of(const FakeSysfs& tree) {
  const ZoneListing listing = list_powercap_zones(tree.path("sys/class/powercap").string());
  REQUIRE(listing.error == 0);
  return listing.zones;
}

Domain named(const std::vector<PowercapZone>& zones, const std::string& name) {
  for (const PowercapZone& zone : zones) {
    if (zone.domain.name == name) return zone.domain;
  }
  FAIL("no domain named " << name);
  return {};
}

std::vector<std::string> names(const std::vector<PowercapZone>& zones) {
  std::vector<std::string> all;
  for (const PowercapZone& zone : zones) all.push_back(zone.domain.name);
  return all;
}

}  // namespace

TEST_CASE("zones are found by pattern, classified by name, and only packages and dram are summed") {
  const FakeSysfs tree;
  tree.write("sys/class/powercap/intel-rapl/enabled", "1\n");
  tree.zone("intel-rapl:0", "package-0");
  tree.zone("intel-rapl:0:0", "core");
  tree.zone("intel-rapl:0:1", "uncore");
  tree.zone("intel-rapl:0:2", "dram");
  tree.zone("intel-rapl:1", "psys");
  tree.zone("intel-rapl:10", "package-1");
  tree.zone("intel-rapl:a", "package-9");
  tree.zone("intel-rapl:0:0:0", "package-9");
  tree.zone("intel-rapl:2x", "package-9");
  tree.zone("intel-rapl-mmio:0", "package-0");
  tree.zone("arm-scmi:0", "package-9");
  const auto zones = zones_of(tree);
  CHECK(names(zones) == std::vector<std::string>{"package-0", "package-0/core", "package-0/uncore",
                                                 "package-0/dram", "psys", "package-1",
                                                 "intel-rapl-mmio:0/package-0"});
  CHECK(named(zones, "package-0").included);
  CHECK(named(zones, "package-1").included);
  CHECK(named(zones, "package-0/dram").included);
  CHECK(named(zones, "package-0/dram").kind == DomainKind::kDram);
  CHECK_FALSE(named(zones, "psys").included);
  CHECK(named(zones, "psys").why_excluded == "contains the packages");
  CHECK(named(zones, "package-0/core").why_excluded == "inside the package");
  CHECK(named(zones, "package-0/uncore").why_excluded == "inside the package");
  CHECK_FALSE(named(zones, "intel-rapl-mmio:0/package-0").included);
  CHECK(named(zones, "intel-rapl-mmio:0/package-0").why_excluded == "repeats package-0");
  CHECK(named(zones, "intel-rapl-mmio:0/package-0").measurable);
}

TEST_CASE("dies are packages of their own, and know where they belong") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0-die-0");
  tree.zone("intel-rapl:1", "package-0-die-1");
  tree.zone("intel-rapl:1:0", "dram");
  tree.zone("intel-rapl:2", "package-0-dye-2");
  const auto zones = zones_of(tree);
  REQUIRE(zones.size() == 4);
  CHECK(zones[1].domain.package == 0);
  CHECK(zones[1].domain.die == 1);
  CHECK(zones[2].domain.package == 0);
  CHECK(zones[2].domain.name == "package-0-die-1/dram");
  CHECK_FALSE(zones[3].domain.included);
  CHECK(zones[3].domain.why_excluded == "a zone of unknown meaning");
}

TEST_CASE("two drivers' zones of one package are summed once") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0");
  tree.zone("intel-rapl:0:0", "dram");
  tree.zone("intel-rapl:1", "package-0");
  tree.zone("intel-rapl:1:0", "dram");
  const auto zones = zones_of(tree);
  CHECK(names(zones) == std::vector<std::string>{"package-0", "package-0/dram",
                                                 "intel-rapl:1/package-0",
                                                 "intel-rapl:1/package-0/dram"});
  CHECK_FALSE(zones[2].domain.included);
  CHECK(zones[2].domain.why_excluded == "repeats package-0");
  CHECK_FALSE(zones[3].domain.included);
}

TEST_CASE("another interface counts where it is the only one, and never beside the first") {
  const FakeSysfs alone;
  alone.zone("intel-rapl-mmio:0", "package-0");
  CHECK(named(zones_of(alone), "package-0").included);
  const FakeSysfs tpmi;
  tpmi.zone("intel-rapl-tpmi:0", "package-0");
  tpmi.zone("intel-rapl-tpmi:0:0", "dram");
  tpmi.zone("intel-rapl-tpmi:1", "package-1");
  for (const PowercapZone& zone : zones_of(tpmi)) CHECK(zone.domain.included);
  // Not even what the first one lacks: it would be the memory of another door's package.
  const FakeSysfs beside;
  beside.zone("intel-rapl:0", "package-0");
  beside.zone("intel-rapl-mmio:0", "package-0");
  beside.zone("intel-rapl-mmio:0:0", "dram");
  const Domain dram = named(zones_of(beside), "intel-rapl-mmio:0/package-0/dram");
  CHECK_FALSE(dram.included);
  CHECK(dram.why_excluded == "of an interface that repeats the first one");
  const FakeSysfs dies;  // whose names differ
  dies.zone("intel-rapl:0", "package-0-die-0");
  dies.zone("intel-rapl-mmio:0", "package-0");
  CHECK_FALSE(named(zones_of(dies), "intel-rapl-mmio:0/package-0").included);
}

TEST_CASE("a unit that the kernel cut to whole nanojoules is put right where the range tells") {
  CHECK(joules_per_microjoule_count(65532610987) == Approx(1e-6 * 15258.7890625 / 15258));
  CHECK(joules_per_microjoule_count(65532610987) / 1e-6 - 1 == Approx(5.17e-5).epsilon(0.001));
  CHECK(joules_per_microjoule_count(262143328850) / 1e-6 - 1 == Approx(2.56e-6).epsilon(0.001));
  // Never cut: an exact old kernel, 15.3 uJ of server memory, whole joules; and unknown ranges.
  for (const std::uint64_t range :
       {262143999938ull, 65712999613ull, 4294967295000000ull, 1'000'000ull, 5ull}) {
    INFO(range);
    CHECK(joules_per_microjoule_count(range) == 1e-6);
  }
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0", 1, "65532610987\n");
  const Domain domain = zones_of(tree).at(0).domain;
  // The whole range is 2^16 J again, to less than one unit.
  CHECK(static_cast<double>(domain.modulus) * domain.joules_per_count ==
        Approx(65536).margin(2e-5).epsilon(0));
}

TEST_CASE("TPMI zones have the same names, and their sockets are told apart") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0");
  tree.zone("intel-rapl:0:0", "dram");
  tree.zone("intel-rapl:1", "psys", 1, "4294967295000000\n");
  tree.zone("intel-rapl:2", "package-1");
  tree.zone("intel-rapl:2:0", "dram");
  const auto zones = zones_of(tree);
  CHECK(names(zones) == std::vector<std::string>{"package-0", "package-0/dram", "psys", "package-1",
                                                 "package-1/dram"});
  CHECK(zones[4].domain.package == 1);
  CHECK(zones[4].domain.included);
  CHECK_FALSE(zones[2].domain.included);
  CHECK(zones[2].domain.package == -1);
}

TEST_CASE("without a believable range a zone is not measurable") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0");
  for (const char* range : {"0\n", "", "many\n", "-5\n", "18446744073709551615\n"}) {
    INFO(range);
    tree.zone("intel-rapl:0", "package-0", 1, range);
    const Domain domain = zones_of(tree).at(0).domain;
    CHECK_FALSE(domain.measurable);
    CHECK_FALSE(domain.included);
    CHECK_THAT(domain.why_excluded, Catch::Contains("expected a positive number"));
  }
  std::filesystem::remove(tree.path("sys/class/powercap/intel-rapl:0/max_energy_range_uj"));
  const Domain domain = zones_of(tree).at(0).domain;
  CHECK_FALSE(domain.measurable);
  CHECK_THAT(domain.why_excluded, Catch::Contains("No such file"));
}

TEST_CASE("a zone without a name is listed and not measurable") {
  const FakeSysfs tree;
  tree.write("sys/class/powercap/intel-rapl:0/energy_uj", "1\n");
  const Domain domain = zones_of(tree).at(0).domain;
  CHECK(domain.name == "intel-rapl:0");
  CHECK_FALSE(domain.measurable);
  CHECK_THAT(domain.why_excluded, Catch::Contains("container"));
}

TEST_CASE("the power ceiling is 1.5 times the short-term limit, within reason") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0");
  tree.zone("intel-rapl:0:0", "core");
  tree.zone("intel-rapl:0:1", "dram");
  const auto ceiling = [&](const char* limit_uw, const char* name) {
    tree.write("sys/class/powercap/intel-rapl:0/constraint_1_power_limit_uw", limit_uw);
    return named(zones_of(tree), name).max_power_w;
  };
  CHECK(named(zones_of(tree), "package-0").max_power_w == 1000);
  CHECK(ceiling("117000000\n", "package-0") == Approx(175.5));
  CHECK(ceiling("117000000\n", "package-0/core") == Approx(175.5));
  CHECK(ceiling("4090000000\n", "package-0") == 1000);
  CHECK(ceiling("5000000\n", "package-0") == 50);
  CHECK(ceiling("0\n", "package-0") == 1000);
  CHECK(ceiling("117000000\n", "package-0/dram") == 200);
}

TEST_CASE("a counter of whole joules may rest longer than one of microjoules") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0");
  tree.zone("intel-rapl:0:0", "core");
  tree.zone("intel-rapl:1", "psys", 1, "4294967295000000\n");
  const auto zones = zones_of(tree);
  CHECK(named(zones, "package-0").max_silence_s == Approx(0.1));
  CHECK(named(zones, "psys").update_s == Approx(1));
  CHECK(named(zones, "psys").max_silence_s == Approx(100));
  CHECK(std::isinf(named(zones, "package-0/core").max_silence_s));
}

TEST_CASE("an absent directory is an errno") {
  const FakeSysfs tree;
  CHECK(list_powercap_zones(tree.path("sys/class/powercap").string()).error == ENOENT);
}
