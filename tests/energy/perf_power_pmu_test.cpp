#include "energy/perf_power_pmu.h"

#include <filesystem>

#include "tests/energy/fake_power_pmu.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::FakeSysfs;
using tern::tests::kPowerPmu;
using tern::tests::write_power_event;
using tern::tests::write_power_pmu;

namespace {

PowerPmu pmu_of(const FakeSysfs& tree) { return read_power_pmu(tree.path(kPowerPmu).string()); }

}  // namespace

TEST_CASE("a power PMU is its number, its CPUs and its events in joules, packages first") {
  const FakeSysfs tree;
  write_power_pmu(tree, 23, "0,28");
  write_power_event(tree, "energy-cores", "event=0x01");
  write_power_event(tree, "energy-gpu", "event=0x04");
  write_power_event(tree, "energy-pkg", "event=0x02");
  write_power_event(tree, "energy-psys", "event=0x05");
  write_power_event(tree, "energy-ram", "event=0x03");
  write_power_event(tree, "energy-wifi", "event=0x09");
  const PowerPmu pmu = pmu_of(tree);
  CHECK(pmu.exists);
  CHECK(pmu.why_not.empty());
  CHECK(pmu.type == 23);
  CHECK(pmu.cpus == std::vector<int>{0, 28});
  REQUIRE(pmu.events.size() == 6);
  CHECK(pmu.events[0].name == "energy-pkg");
  CHECK(pmu.events[0].kind == DomainKind::kPackage);
  CHECK(pmu.events[0].config == 2);
  CHECK(pmu.events[0].joules_per_count == 0x1p-32);
  CHECK(pmu.events[1].kind == DomainKind::kDram);
  CHECK(pmu.events[2].kind == DomainKind::kCore);
  CHECK(pmu.events[3].kind == DomainKind::kUncore);
  CHECK(pmu.events[4].kind == DomainKind::kPsys);
  CHECK(pmu.events[5].kind == DomainKind::kOther);
  tree.write(std::string(kPowerPmu) + "/format/event", "config:8-15\n");
  CHECK(pmu_of(tree).events[0].config == 0x200);
}

TEST_CASE("an absent PMU is not a broken one") {
  const FakeSysfs tree;
  CHECK_FALSE(pmu_of(tree).exists);
  CHECK_FALSE(pmu_of(tree).why_not.empty());
  std::filesystem::create_directories(tree.path(kPowerPmu));
  CHECK(pmu_of(tree).exists);
  CHECK_THAT(pmu_of(tree).why_not, Contains("/type (No such file"));
}

TEST_CASE("garbage in a file of the PMU is one clear reason") {
  struct Case {
    const char* file;
    const char* text;
    const char* expected;
  };
  for (const Case& c :
       {Case{"type", "", "the number of a PMU"}, Case{"type", "power\n", "the number of a PMU"},
        Case{"type", "-1\n", "the number of a PMU"},
        Case{"type", "0\n", "at least 6"},  // would count cycles as joules
        Case{"type", "5\n", "at least 6"}, Case{"type", "4294967296\n", "the number of a PMU"},
        Case{"cpumask", "", "a list of CPUs"}, Case{"cpumask", "all\n", "a list of CPUs"},
        Case{"cpumask", "0-4000000000\n", "a list of CPUs"},
        Case{"format/event", "config1:0-7\n", "config:0-7"},
        Case{"format/event", "config:64-71\n", "config:0-7"},
        Case{"format/event", "config:\n", "config:0-7"}}) {
    const FakeSysfs tree;
    write_power_pmu(tree, 23, "0");
    write_power_event(tree, "energy-pkg", "event=0x02");
    const std::string path = std::string(kPowerPmu) + "/" + c.file;
    tree.write(path, c.text);
    INFO(c.file << " '" << c.text << "'");
    const std::string why = pmu_of(tree).why_not;
    CHECK_THAT(why, Contains(path) && Contains("expected") && Contains(c.expected));
    std::filesystem::remove(tree.path(path));
    CHECK_THAT(pmu_of(tree).why_not, Contains(path) && Contains("No such file"));
  }
}

TEST_CASE("garbage in a file of an event costs that event alone") {
  struct Case {
    const char* suffix;
    const char* text;
    const char* expected;
  };
  for (const Case& c :
       {Case{"", "event=2,umask=1\n", "event=0x02"}, Case{"", "0x02\n", "event=0x02"},
        Case{"", "event=0x\n", "event=0x02"}, Case{"", "event=0x100\n", "event=0x02"},
        Case{"", "", "event=0x02"}, Case{".unit", "Watts\n", "Joules"}, Case{".unit", "", "Joules"},
        Case{".scale", "0\n", "the joules of one count"},
        Case{".scale", "-2.3e-10\n", "the joules"}, Case{".scale", "nan\n", "the joules"},
        Case{".scale", "inf\n", "the joules"}, Case{".scale", "2.3e-10x\n", "the joules"},
        Case{".scale", "2.3\n", "the joules"}, Case{".scale", "", "the joules"}}) {
    const FakeSysfs tree;
    write_power_pmu(tree, 23, "0");
    write_power_event(tree, "energy-pkg", "event=0x02");
    write_power_event(tree, "energy-ram", "event=0x03");
    const std::string path = std::string(kPowerPmu) + "/events/energy-ram" + c.suffix;
    tree.write(path, c.text);
    INFO(path << " '" << c.text << "'");
    const PowerPmu pmu = pmu_of(tree);
    CHECK(pmu.why_not.empty());
    REQUIRE(pmu.events.size() == 2);
    CHECK(pmu.events[0].why_not.empty());
    CHECK_THAT(pmu.events[1].why_not, Contains(path) && Contains(c.expected));
  }
}

TEST_CASE("a PMU without an energy event is a reason") {
  const FakeSysfs tree;
  write_power_pmu(tree, 23, "0");
  write_power_event(tree, "cycles", "event=0x02");
  CHECK_THAT(pmu_of(tree).why_not, Contains("has no energy event"));
}
