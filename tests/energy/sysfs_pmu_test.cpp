#include "energy/sysfs_pmu.h"

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::FakeSysfs;

namespace {

const std::string kDevices = "sys/bus/event_source/devices/";

void write_imc(const FakeSysfs& tree, const std::string& name, const std::string& type) {
  const std::string folder = kDevices + name + "/";
  tree.write(folder + "type", type + "\n");
  tree.write(folder + "cpumask", "0,28\n");
  tree.write(folder + "format/event", "config:0-7\n");
  tree.write(folder + "format/umask", "config:8-15\n");
  tree.write(folder + "format/inv", "config:23\n");
  tree.write(folder + "format/split", "config1:0-3,32-35\n");
  tree.write(folder + "events/cas_count_read", "event=0x04,umask=0x0f\n");
  tree.write(folder + "events/cas_count_read.scale", "6.103515625e-5\n");
  tree.write(folder + "events/cas_count_read.unit", "MiB\n");
}

}  // namespace

TEST_CASE("PMUs of one kind are found by number, and their events by format, scale and unit") {
  const FakeSysfs tree;
  write_imc(tree, "uncore_imc_10", "30");
  write_imc(tree, "uncore_imc_2", "22");
  write_imc(tree, "uncore_imc_free_running_0", "40");
  write_imc(tree, "uncore_imc_x", "50");
  const auto pmus = numbered_pmus(tree.root(), "uncore_imc_");
  REQUIRE(pmus.size() == 2);
  CHECK(pmus[0].name == "uncore_imc_2");
  CHECK(pmus[0].type == 22);
  CHECK(pmus[1].type == 30);
  CHECK(pmus[0].cpus == std::vector<int>{0, 28});
  CHECK(pmus[0].why_not.empty());
  const SysfsEvent event = read_sysfs_event(pmus[0], "cas_count_read");
  CHECK(event.event.why_not == "");
  CHECK(event.event.type == 22);
  CHECK(event.event.config == 0x0f04);
  CHECK(event.scale == 6.103515625e-5);
  CHECK(event.unit == "MiB");
  CHECK(numbered_pmus(tree.root(), "amd_umc_").empty());
}

TEST_CASE("terms go where the format says, and nowhere else") {
  const FakeSysfs tree;
  write_imc(tree, "uncore_imc_0", "22");
  const SysfsPmu pmu = numbered_pmus(tree.root(), "uncore_imc_").at(0);
  const PerfEvent event = encode_terms(pmu, "x", "event=4,inv,split=0xa5,config2=0x7");
  CHECK(event.why_not == "");
  CHECK(event.config == 0x800004);
  CHECK(event.config1 == 0xa00000005);
  CHECK(event.config2 == 7);
  CHECK_THAT(encode_terms(pmu, "x", "event=0x100").why_not, Contains("event=0x100"));
  CHECK_THAT(encode_terms(pmu, "x", "edge=1").why_not, Contains("edge=1"));
  CHECK_THAT(encode_terms(pmu, "x", "event=four").why_not, Contains("event=four"));
  CHECK_FALSE(encode_terms(pmu, "x", "").why_not.empty());
  tree.write(kDevices + "uncore_imc_0/format/umask", "config:8-99\n");
  CHECK_FALSE(encode_terms(pmu, "x", "umask=1").why_not.empty());
  tree.write(kDevices + "uncore_imc_0/format/umask", "config9:8-15\n");
  CHECK_FALSE(encode_terms(pmu, "x", "umask=1").why_not.empty());
}

TEST_CASE("a tree that lacks or garbles a file has a reason for it") {
  const FakeSysfs tree;
  write_imc(tree, "uncore_imc_0", "22");
  const std::string folder = kDevices + "uncore_imc_0/";
  const auto pmu = [&] { return numbered_pmus(tree.root(), "uncore_imc_").at(0); };
  CHECK_THAT(read_sysfs_event(pmu(), "cas_count_write").event.why_not, Contains("No such file"));
  tree.write(folder + "events/cas_count_read.scale", "many\n");
  CHECK_THAT(read_sysfs_event(pmu(), "cas_count_read").event.why_not, Contains("'many'"));
  tree.write(folder + "events/cas_count_read.scale", "0\n");
  CHECK_FALSE(read_sysfs_event(pmu(), "cas_count_read").event.why_not.empty());
  tree.write(folder + "type", "\n");
  CHECK_THAT(pmu().why_not, Contains("type"));
  tree.write(folder + "type", "22\n");
  tree.write(folder + "cpumask", "\n");
  CHECK_THAT(pmu().why_not, Contains("cpumask"));
}
