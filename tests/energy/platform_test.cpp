#include "energy/platform.h"

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using tern::tests::FakeSysfs;

TEST_CASE("packages and dies are counted once each") {
  const FakeSysfs tree;
  tree.cpus({0, 0, 1, 1});
  tree.write("sys/devices/system/cpu/cpu1/topology/die_id", "1\n");
  tree.write("sys/devices/system/cpu/cpufreq/topology/physical_package_id", "7\n");
  tree.write("sys/devices/system/cpu/cpu9/topology/physical_package_id", "-1\n");
  const PackageTopology topology = read_topology(tree.root());
  CHECK(topology.packages == std::set<int>{0, 1});
  CHECK(topology.dies == std::set<std::pair<int, int>>{{0, 0}, {0, 1}, {1, 0}});
}

TEST_CASE("an unreadable topology is empty") {
  const FakeSysfs tree;
  CHECK(read_topology(tree.root()).packages.empty());
}

TEST_CASE("the hypervisor flag is a whole word of the flags line") {
  const FakeSysfs tree;
  CHECK_FALSE(is_virtual_machine(tree.root()));
  tree.write("proc/cpuinfo",
             "processor\t: 0\nmodel name\t: hypervisor\nflags\t\t: fpu nohypervisorx avx\n");
  CHECK_FALSE(is_virtual_machine(tree.root()));
  tree.write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor avx\n");
  CHECK(is_virtual_machine(tree.root()));
  tree.write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu avx hypervisor\n");
  CHECK(is_virtual_machine(tree.root()));
}

TEST_CASE("DMI names hypervisors, and clouds' bare metal is none") {
  const FakeSysfs tree;
  const auto dmi = [&](const char* vendor, const char* product) {
    tree.write("sys/class/dmi/id/sys_vendor", vendor);
    tree.write("sys/class/dmi/id/product_name", product);
    return is_virtual_machine(tree.root());
  };
  CHECK(dmi("QEMU\n", "Standard PC (Q35 + ICH9, 2009)\n"));
  CHECK(dmi("Microsoft Corporation\n", "Virtual Machine\n"));
  CHECK_FALSE(dmi("Microsoft Corporation\n", "Surface Laptop\n"));
  CHECK(dmi("Amazon EC2\n", "m7g.large\n"));
  CHECK_FALSE(dmi("Amazon EC2\n", "m7g.metal\n"));
  CHECK_FALSE(dmi("Dell Inc.\n", "PowerEdge R760\n"));
}

TEST_CASE("the maker of the CPU is what the kernel calls it, or arm") {
  const FakeSysfs tree;
  CHECK(cpu_vendor(tree.root()).empty());
  tree.write("proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n");
  CHECK(cpu_vendor(tree.root()) == "GenuineIntel");
  tree.write("proc/cpuinfo", "vendor_id\t:\nCPU implementer\t: 0x41\n");
  CHECK(cpu_vendor(tree.root()) == "arm");
}
