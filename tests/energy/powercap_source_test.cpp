#include "energy/powercap_source.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"
#include "tests/support/unprivileged.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::FakeSysfs;
using tern::tests::Unprivileged;

namespace {

Probe copy_of(const FakeSysfs& tree) {
  return probe_powercap({.sysroot = tree.root(), .live = false, .pause = {}});
}

}  // namespace

TEST_CASE("a tree of two packages reads in order and says what it covers") {
  const FakeSysfs tree;
  tree.cpus({0, 0, 1, 1});
  tree.zone("intel-rapl:0", "package-0", 11);
  tree.zone("intel-rapl:0:0", "dram", 12);
  tree.zone("intel-rapl:1", "package-1", 13);
  tree.zone("intel-rapl:1:0", "dram", 14);
  const Probe probe = copy_of(tree);
  REQUIRE(probe.source != nullptr);
  CHECK(probe.why_not.empty());
  const SourceInfo& info = probe.source->info();
  CHECK(info.name == "powercap");
  CHECK(info.coverage == "2 of 2 packages + dram");
  CHECK_FALSE(info.attributed);
  CHECK_FALSE(info.live);
  CHECK(info.domains[0].late_s == 1);  // a copy is written at its author's pace
  std::vector<Reading> readings(info.domains.size());
  probe.source->read(readings);
  for (std::size_t i = 0; i < readings.size(); ++i) {
    CHECK(readings[i].error == 0);
    CHECK(readings[i].raw == 11 + i);
    CHECK(readings[i].time_ns > 0);
    if (i > 0) CHECK(readings[i].time_ns > readings[i - 1].time_ns);
  }
}

TEST_CASE("the coverage admits what is missing") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0");
  CHECK(copy_of(tree).source->info().coverage ==
        "1 packages (of an unknown number), no dram domain");
  tree.cpus({0, 1});
  CHECK(copy_of(tree).source->info().coverage == "1 of 2 packages, no dram domain");
  tree.zone("intel-rapl:0:0", "dram");
  tree.zone("intel-rapl:1", "package-1");
  CHECK(copy_of(tree).source->info().coverage == "2 of 2 packages + dram of 1");
  tree.zone("intel-rapl:0:0", "dram", 1, "0\n");
  CHECK(copy_of(tree).source->info().coverage == "2 of 2 packages, dram not measurable");
  tree.write("sys/class/powercap/intel-rapl:0/name", "package-0-die-0\n");
  tree.write("sys/devices/system/cpu/cpu2/topology/physical_package_id", "0\n");
  tree.write("sys/devices/system/cpu/cpu2/topology/die_id", "1\n");
  CHECK_THAT(copy_of(tree).source->info().coverage, Contains("(1 of 3 dies)"));
}

TEST_CASE("an answer inside a virtual machine is attributed") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0");
  tree.write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor\n");
  CHECK(copy_of(tree).source->info().attributed);
}

TEST_CASE("without a powercap directory the reason names it") {
  const FakeSysfs tree;
  const Probe probe = copy_of(tree);
  CHECK(probe.source == nullptr);
  CHECK(probe.name == "powercap");
  CHECK_THAT(probe.why_not, Contains(tree.root() + "/sys/class/powercap does not exist"));
  CHECK_THAT(probe.why_not, Contains("virtual machine"));
}

TEST_CASE("a machine without sysfs is told to show it, a copy without it has no RAPL") {
  const FakeSysfs tree;
  const Probe probe = probe_powercap({.sysroot = tree.root(), .live = true, .pause = {}});
  CHECK_THAT(probe.why_not, Contains("sysfs is not mounted here"));
  CHECK_THAT(probe.remedy, Contains("docker run -v /sys:/sys:ro"));
}

TEST_CASE("a powercap directory without RAPL zones is a reason of its own") {
  const FakeSysfs tree;
  tree.zone("arm-scmi:0", "soc");
  const Probe probe = copy_of(tree);
  CHECK(probe.source == nullptr);
  CHECK_THAT(probe.why_not, Contains("no intel-rapl zone"));
  CHECK_THAT(probe.remedy, Contains("modprobe"));
}

TEST_CASE("a denied read names the rule and the remedy") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0");
  const auto energy = tree.path("sys/class/powercap/intel-rapl:0/energy_uj");
  std::filesystem::permissions(energy, std::filesystem::perms::none);
  Probe probe;
  {
    const Unprivileged nobody;
    if (::access(energy.c_str(), R_OK) == 0 && ::geteuid() == 0) {
      WARN("cannot give up root here: the denied read is not tested");
      return;
    }
    probe = copy_of(tree);
  }
  CHECK(probe.source == nullptr);
  CHECK_THAT(probe.why_not, Contains("denied") && Contains("CVE-2020-8694"));
  CHECK_THAT(probe.remedy, Contains("sudo chmod -R a+r") && Contains("udev rule"));
}

TEST_CASE("zones that cannot be read leave the total, and without a package there is no meter") {
  const FakeSysfs tree;
  tree.cpus({0, 1});
  tree.zone("intel-rapl:0", "package-0");
  tree.zone("intel-rapl:1", "package-1");
  tree.zone("intel-rapl:1:0", "dram");
  tree.write("sys/class/powercap/intel-rapl:1/energy_uj", "soon\n");
  const Probe partial = copy_of(tree);
  REQUIRE(partial.source != nullptr);
  const SourceInfo& info = partial.source->info();
  CHECK(info.coverage == "1 of 2 packages + dram of 1");
  CHECK_FALSE(info.domains[1].measurable);
  CHECK_THAT(info.domains[1].why_excluded, Contains("does not hold one whole number"));
  std::vector<Reading> readings(info.domains.size());
  partial.source->read(readings);
  CHECK(readings[0].error == 0);
  CHECK(readings[1].error == ENODATA);

  std::filesystem::remove(tree.path("sys/class/powercap/intel-rapl:0/energy_uj"));
  const Probe none = copy_of(tree);
  CHECK(none.source == nullptr);
  CHECK_THAT(none.why_not, Contains("no usable zone") && Contains("package-0: not measurable") &&
                               Contains("No such file"));
}

TEST_CASE("a live counter that does not move is no meter") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0");
  tree.zone("intel-rapl:0:0", "dram");
  int looks = 0;
  const Probe still =
      probe_powercap({.sysroot = tree.root(), .live = true, .pause = [&] { ++looks; }});
  CHECK(still.source == nullptr);
  CHECK_THAT(still.why_not, Contains("does not move"));
  CHECK(looks > 1);

  std::uint64_t energy = 1'000'000;
  const auto move_package = [&] { tree.energy("intel-rapl:0", ++energy); };
  const Probe moving =
      probe_powercap({.sysroot = tree.root(), .live = true, .pause = move_package});
  REQUIRE(moving.source != nullptr);
  const SourceInfo& info = moving.source->info();
  CHECK(info.live);
  CHECK(info.domains[0].late_s == 0);
  CHECK(info.domains[0].included);
  CHECK_FALSE(info.domains[1].measurable);
  CHECK_THAT(info.domains[1].why_excluded, Contains("does not move"));
  CHECK_THAT(info.coverage, Contains("dram not measurable"));
}
