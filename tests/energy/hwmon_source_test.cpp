#include "energy/hwmon_source.h"

#include <cerrno>
#include <filesystem>
#include <utility>

#include "energy/energy_meter.h"
#include "tests/energy/hwmon_trees.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using namespace tern::tests;
using Catch::Contains;

namespace {

Probe copy_of(const FakeSysfs& tree) {
  return probe_hwmon({.sysroot = tree.root(), .live = false, .pause = {}});
}

const Domain& domain(const Probe& probe, const std::string& name) {
  REQUIRE(probe.source != nullptr);
  for (const Domain& d : probe.source->info().domains) {
    if (d.name == name) return d;
  }
  FAIL("no domain " << name);
  throw 0;
}

std::vector<std::string> total_of(const Probe& probe) {
  INFO(probe.why_not);
  REQUIRE(probe.source != nullptr);
  std::vector<std::string> names;
  for (const Domain& d : probe.source->info().domains) {
    if (d.included) names.push_back(d.name);
    CHECK(d.included == d.why_excluded.empty());
    CHECK((d.measurable || !d.included));
  }
  return names;
}

double total_w(const Probe& probe) {
  const auto& domains = probe.source->info().domains;
  std::vector<Reading> readings(domains.size());
  probe.source->read(readings);
  double sum_w = 0;
  for (std::size_t i = 0; i < domains.size(); ++i) {
    if (!domains[i].included) continue;
    CHECK(readings[i].error == 0);
    sum_w += static_cast<double>(readings[i].raw) * 1e-6;
  }
  return sum_w;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("on Jetson VDD_IN is the total and contains the other rails") {
  const FakeSysfs tree;
  jetson(tree, 3);
  const Probe probe = copy_of(tree);
  CHECK(total_of(probe) == Names{"ina3221/VDD_IN"});
  CHECK(total_w(probe) == Approx(10));
  CHECK(domain(probe, "ina3221/VDD_CPU_GPU_CV").why_excluded == "inside ina3221/VDD_IN");
  CHECK(domain(probe, "ina3221/VDD_SOC").why_excluded == "inside ina3221/VDD_IN");
  CHECK(domain(probe, "ina3221/VDD_SOC").measurable);
  CHECK(probe.source->info().coverage == "VDD_IN (ina3221), the whole board or module");
  CHECK(probe.source->info().name == "hwmon");
  const Domain& whole = domain(probe, "ina3221/VDD_IN");
  CHECK(whole.quantity == Quantity::kPower);
  CHECK(whole.longest_poll_s == Approx(0.02));
  CHECK(whole.averaging_s == Approx(0.002));
}

TEST_CASE("a Jetson whose VDD_IN is switched off has no total") {
  const FakeSysfs tree;
  jetson(tree, 3).number("in1_enable", 0);
  const Probe probe = copy_of(tree);
  CHECK(probe.source == nullptr);
  CHECK_THAT(probe.why_not, Contains("ina3221/VDD_IN: not measurable: disabled") &&
                                Contains("ina3221/VDD_CPU_GPU_CV and 1 more: a rail of the board"));
  CHECK_THAT(probe.remedy, Contains("echo 1 | sudo tee") && Contains("in1_enable"));
}

TEST_CASE("the three supplies of AGX Orin are a total only together") {
  const FakeSysfs tree;
  const FakeChip chip = jetson(tree, 0);
  const FakeChip other(tree, 1, "ina3221");
  chip.write("in1_label", "VDD_GPU_SOC\n").write("in2_label", "VDD_CPU_CV\n");
  chip.write("in3_label", "VIN_SYS_5V0\n");
  other.number("in1_input", 5000).number("curr1_input", 100);
  other.write("in1_label", "VDDQ_VDD2_1V8AO\n");
  const Probe probe = copy_of(tree);
  CHECK(total_of(probe) ==
        Names{"ina3221/VDD_GPU_SOC", "ina3221/VDD_CPU_CV", "ina3221/VIN_SYS_5V0"});
  CHECK(domain(probe, "ina3221/VDDQ_VDD2_1V8AO").why_excluded ==
        "a rail of the board, not its supply");
  CHECK(probe.source->info().coverage ==
        "VDD_CPU_CV + VDD_GPU_SOC + VIN_SYS_5V0 (ina3221), the supplies of the module");
  chip.number("in3_enable", 0);
  CHECK(copy_of(tree).source == nullptr);
  CHECK_THAT(copy_of(tree).why_not, Contains("only a part of the supplies"));
}

TEST_CASE("JetPack 4 has the rails under iio, in milliwatts") {
  const FakeSysfs tree;
  jetpack4(tree);
  const Probe probe = copy_of(tree);
  CHECK(total_of(probe) == Names{"ina3221x/VDD_IN"});
  CHECK(total_w(probe) == Approx(5));
  CHECK(domain(probe, "ina3221x/VDD_CPU_GPU_CV").why_excluded == "inside ina3221x/VDD_IN");
  CHECK(domain(probe, "ina3221x/VDD_SOC").why_excluded == "inside ina3221x/VDD_IN");
  CHECK(probe.source->info().domains.size() == 3);
  CHECK(probe.source->info().coverage == "VDD_IN (ina3221x), the whole board or module");
  CHECK(probe.source->info().detail == tree.path("sys/bus/iio/devices").string());
  CHECK(domain(probe, "ina3221x/VDD_IN").quantity == Quantity::kPower);

  const std::string rail = "sys/bus/iio/devices/iio:device0/in_power0_input";
  std::vector<Reading> readings(3);
  for (const auto& [text, error] : {std::pair{"-1\n", ERANGE},
                                    {"9223372036854775807\n", ERANGE},
                                    {"much\n", EBADMSG},
                                    {"0\n", 0}}) {
    tree.write(rail, text);
    probe.source->read(readings);
    CHECK(readings[0].error == error);
  }
  tree.write(rail, "soon\n");
  const Probe broken = copy_of(tree);
  CHECK(broken.source == nullptr);
  CHECK_THAT(broken.why_not, Contains("sys/bus/iio/devices makes a total") &&
                                 Contains("ina3221x/VDD_IN: not measurable") &&
                                 Contains("VDD_CPU_GPU_CV and 1 more: a rail of the board"));
}

TEST_CASE("other devices of iio, and rails without a name, are no meter") {
  const FakeSysfs tree;
  tree.write("sys/bus/iio/devices/iio:device0/name", "bme280\n");
  tree.write("sys/bus/iio/devices/iio:device0/in_power0_input", "7\n");
  CHECK_THAT(copy_of(tree).why_not, Contains("sys/class/hwmon does not exist"));
  jetpack4(tree, "iio:device1");
  tree.write("sys/bus/iio/devices/iio:device1/rail_name_0", "\n");
  CHECK_THAT(copy_of(tree).why_not, Contains("ina3221x/in_power0: it has no label"));
  FakeChip(tree, 0, "coretemp").number("temp1_input", 1);
  CHECK_THAT(copy_of(tree).why_not, Contains("ina3221x/in_power0: it has no label"));
}

TEST_CASE("an INA226 counts by its label; without one it covers the unknown") {
  const FakeSysfs tree;
  const FakeChip chip(tree, 7, "ina226");
  chip.number("power1_input", 12'500'000).number("update_interval", 140);
  const Probe nameless = copy_of(tree);
  CHECK(nameless.source == nullptr);
  CHECK_THAT(nameless.why_not, Contains("ina226/power1: it has no label"));
  chip.write("label", "VDD_IN\n");
  const Probe probe = copy_of(tree);
  CHECK(total_of(probe) == Names{"ina226/VDD_IN"});
  CHECK(total_w(probe) == Approx(12.5));
  CHECK(domain(probe, "ina226/VDD_IN").averaging_s == Approx(0.14));
  chip.write("label", "PCIE_12V\n");
  CHECK_THAT(copy_of(tree).why_not, Contains("ina226/PCIE_12V: no rule knows"));
}

TEST_CASE("two rails that both claim to be the whole are not added") {
  const FakeSysfs tree;
  jetson(tree, 0).device("1-0040");
  jetson(tree, 1).device("1-0041");
  const Probe probe = copy_of(tree);
  CHECK(probe.source == nullptr);
  CHECK_THAT(probe.why_not, Contains("which of these contains the others is unknown"));
}

TEST_CASE("on Grace the module of each socket counts, and what is in it does not") {
  const FakeSysfs tree;
  tree.cpus({0, 0, 1, 1});
  grace(tree);
  const Probe probe = copy_of(tree);
  CHECK(total_of(probe) ==
        Names{"power_meter/Module Power Socket 0", "power_meter/Module Power Socket 1"});
  CHECK(total_w(probe) == Approx(600));
  CHECK(domain(probe, "power_meter/Grace Power Socket 0").why_excluded ==
        "inside power_meter/Module Power Socket 0");
  CHECK(domain(probe, "power_meter/CPU Power Socket 1").why_excluded ==
        "inside power_meter/Module Power Socket 1");
  CHECK(domain(probe, "power_meter/SysIO Power Socket 1").why_excluded ==
        "inside power_meter/Module Power Socket 1");
  CHECK(probe.source->info().coverage == "module power of 2 of 2 sockets (power_meter)");
  const Domain& module = domain(probe, "power_meter/Module Power Socket 0");
  CHECK(module.averaging_s == Approx(0.05));
  CHECK(module.longest_poll_s == Approx(0.05));
}

TEST_CASE("a Grace without module meters falls back to one level for all sockets, and says so") {
  const FakeSysfs tree;
  tree.cpus({0, 1});
  grace(tree);
  for (const int module : {3, 7}) {
    tree.write("sys/class/hwmon/hwmon" + std::to_string(module) + "/device/power1_average", "\n");
  }
  const Probe probe = copy_of(tree);
  CHECK(total_of(probe) ==
        Names{"power_meter/Grace Power Socket 0", "power_meter/Grace Power Socket 1"});
  CHECK(total_w(probe) == Approx(400));
  CHECK(probe.source->info().coverage == "Grace power of 2 of 2 sockets (power_meter)");
  CHECK_THAT(domain(probe, "power_meter/Module Power Socket 1").why_excluded,
             Contains("not measurable") && Contains("whole number"));
}

TEST_CASE("levels are never mixed between sockets") {
  const FakeSysfs tree;
  tree.cpus({0, 1});
  grace(tree);
  tree.write("sys/class/hwmon/hwmon7/device/power1_average", "\n");  // module 1
  const Probe probe = copy_of(tree);
  CHECK(total_of(probe) ==
        Names{"power_meter/Grace Power Socket 0", "power_meter/Grace Power Socket 1"});
  CHECK_THAT(domain(probe, "power_meter/Module Power Socket 0").why_excluded,
             Contains("fewer sockets"));
}

TEST_CASE("labels of Grace are read in any case of letters") {
  const FakeSysfs tree;
  grace_meter(tree, 0, "MODULE", 0, 1'000'000)
      .write("device/power1_oem_info", "module power SOCKET 0\n");
  CHECK(copy_of(tree).source->info().coverage ==
        "module power of 1 sockets (of an unknown number) (power_meter)");
}

TEST_CASE("an ACPI power meter without a label may be anything") {
  const FakeSysfs tree;
  FakeChip(tree, 0, "power_meter").number("power1_average", 230'000'000);
  const Probe probe = copy_of(tree);
  CHECK(probe.source == nullptr);
  CHECK_THAT(probe.why_not, Contains("power_meter/power1: it has no label"));
}

TEST_CASE("amd_energy counts its sockets; cores are listed in one line and not read") {
  const FakeSysfs tree;
  tree.cpus({0, 1});
  const FakeChip chip = amd_energy(tree, 2, 128, 2);
  const Probe probe = copy_of(tree);
  CHECK(total_of(probe) == Names{"amd_energy/Esocket0", "amd_energy/Esocket1"});
  const auto& domains = probe.source->info().domains;
  REQUIRE(domains.size() == 3);
  CHECK(domains[0].name == "amd_energy/Ecore000 and 127 more");
  CHECK_FALSE(domains[0].measurable);
  CHECK_THAT(domains[0].why_excluded, Contains("inside the sockets"));
  CHECK(domains[1].quantity == Quantity::kEnergy);
  CHECK(domains[1].joules_per_count == 1e-6);
  CHECK(domains[1].modulus == 0);
  CHECK(probe.source->info().coverage == "2 of 2 sockets (amd_energy), no dram domain");
  chip.remove("energy130_input");
  CHECK(copy_of(tree).source->info().coverage == "1 of 2 sockets (amd_energy), no dram domain");
}

TEST_CASE("Ampere's CPU and IO power are two supplies of one package") {
  const FakeSysfs tree;
  tree.cpus({0});
  const FakeChip chip = xgene(tree, 1);
  const Probe probe = copy_of(tree);
  CHECK(total_of(probe) == Names{"apm_xgene/CPU power", "apm_xgene/IO power"});
  CHECK(total_w(probe) == Approx(85));
  CHECK(probe.source->info().coverage == "CPU power + IO power of 1 of 1 sockets (apm_xgene)");
  chip.write("power1_input", "-\n");
  CHECK(copy_of(tree).source == nullptr);
  CHECK_THAT(copy_of(tree).why_not, Contains("IO power: the CPU's own power"));
}

TEST_CASE("each xgene chip is a socket") {
  const FakeSysfs tree;
  tree.cpus({0, 1});
  xgene(tree, 1);
  xgene(tree, 2);
  const Probe probe = copy_of(tree);
  CHECK(total_of(probe).size() == 4);
  CHECK(total_w(probe) == Approx(170));
  CHECK(domain(probe, "apm_xgene/CPU power#2").included);
  CHECK(probe.source->info().coverage == "CPU power + IO power of 2 of 2 sockets (apm_xgene)");
}

TEST_CASE("altra_hwmon has cores only, and says that nothing else is covered") {
  const FakeSysfs tree;
  const FakeChip chip(tree, 0, "altra_hwmon");
  for (int core = 0; core < 80; ++core) {
    const std::string energy = "energy" + std::to_string(core + 1);
    const std::string digits = std::to_string(core);
    chip.write(energy + "_label",
               "Core Energy " + std::string(3 - digits.size(), '0') + digits + "\n");
    chip.number(energy + "_input", 1'000'000);
  }
  CHECK(total_of(copy_of(tree)).size() == 80);
  CHECK(copy_of(tree).source->info().coverage == "80 cores (altra_hwmon), nothing outside them");
  xgene(tree, 1);
  const Probe both = copy_of(tree);
  CHECK(total_of(both) == Names{"apm_xgene/CPU power", "apm_xgene/IO power"});
  CHECK(domain(both, "altra_hwmon/Core Energy 000").why_excluded ==
        "the total is that of apm_xgene");
}

TEST_CASE("SCMI sensors count by the firmware's words, a counter before samples") {
  const FakeSysfs tree;
  const FakeChip chip(tree, 0, "scmi_sensors");
  chip.write("power1_label", "SYS_POW\n").number("power1_input", 9'000'000);
  chip.write("power2_label", "A57_POW\n").number("power2_input", 3'000'000);
  chip.write("energy1_label", "SYS_ENM\n").number("energy1_input", 123'456'789);
  chip.write("energy2_label", "CPU_ENM\n").number("energy2_input", 23'456'789);
  const Probe probe = copy_of(tree);
  CHECK(total_of(probe) == Names{"scmi_sensors/SYS_ENM"});
  CHECK(domain(probe, "scmi_sensors/SYS_POW").why_excluded == "repeats scmi_sensors/SYS_ENM");
  CHECK(domain(probe, "scmi_sensors/CPU_ENM").why_excluded == "inside scmi_sensors/SYS_ENM");
  CHECK_THAT(domain(probe, "scmi_sensors/A57_POW").why_excluded, Contains("no rule knows"));
  CHECK(probe.source->info().coverage == "SYS_ENM (scmi_sensors), as the firmware names it");

  chip.write("energy1_label", "soc0\n").write("power1_label", "soc1\n");
  CHECK(total_of(copy_of(tree)) == Names{"scmi_sensors/soc0", "scmi_sensors/soc1"});
  chip.write("energy1_label", "soc\n").write("energy2_label", "package\n");
  chip.write("power1_label", "x\n");
  CHECK(copy_of(tree).source == nullptr);
  CHECK_THAT(copy_of(tree).why_not, Contains("which of these contains the others is unknown"));
}

TEST_CASE("unknown chips are named and never read") {
  const FakeSysfs tree;
  FakeChip(tree, 0, "amdgpu").number("power1_average", 30'000'000).write("power1_label", "PPT\n");
  const Probe alone = copy_of(tree);
  CHECK(alone.source == nullptr);
  CHECK_THAT(alone.why_not, Contains("amdgpu/PPT: no rule knows what this chip covers"));
  jetson(tree, 1);
  const Probe probe = copy_of(tree);
  CHECK(total_of(probe) == Names{"ina3221/VDD_IN"});
  CHECK_FALSE(domain(probe, "amdgpu/PPT").measurable);
  // Were it read, this would be its reason.
  FakeChip(tree, 0, "amdgpu").write("power1_average", "soon\n");
  CHECK_THAT(domain(copy_of(tree), "amdgpu/PPT").why_excluded, Contains("no rule knows"));
}

TEST_CASE("without monitors the reason names the directory") {
  const FakeSysfs tree;
  CHECK_THAT(copy_of(tree).why_not, Contains("sys/class/hwmon does not exist"));
  FakeChip(tree, 0, "coretemp").number("temp1_input", 1);
  const Probe probe = copy_of(tree);
  CHECK_THAT(probe.why_not, Contains("no chip under"));
  CHECK_THAT(probe.remedy, Contains("acpi_power_meter force_cap_on=y"));
}

TEST_CASE("inside a virtual machine a monitor's answer is attributed") {
  const FakeSysfs tree;
  jetson(tree, 0);
  tree.write("proc/cpuinfo", "flags : hypervisor\n");
  tree.write("sys/class/dmi/id/sys_vendor", "QEMU\n");
  CHECK(copy_of(tree).source->info().attributed);
}

TEST_CASE("live counters must move and live powers must not be nothing") {
  const FakeSysfs tree;
  const FakeChip chip = amd_energy(tree, 0, 1, 2);
  std::int64_t energy_uj = 7'000'000;
  const auto probe = [&](bool move) {
    return probe_hwmon({.sysroot = tree.root(), .live = true, .pause = [&, move] {
                          if (move) chip.number("energy2_input", ++energy_uj);
                        }});
  };
  const Probe still = probe(false);
  CHECK(still.source == nullptr);
  CHECK_THAT(still.why_not, Contains("Esocket0: not measurable") && Contains("does not move"));
  const Probe moving = probe(true);
  CHECK(total_of(moving) == Names{"amd_energy/Esocket0"});
  CHECK(domain(moving, "amd_energy/Esocket0").max_silence_s == Approx(0.1));
  CHECK(moving.source->info().live);
  CHECK_FALSE(copy_of(tree).source->info().live);

  const FakeSysfs board;
  const FakeChip rails = jetson(board, 0);
  rails.number("curr1_input", 0);
  const Probe dead = probe_hwmon({.sysroot = board.root(), .live = true, .pause = [] {}});
  CHECK(dead.source == nullptr);
  CHECK_THAT(dead.why_not, Contains("reads 0 W"));
}

TEST_CASE("a sensor that vanishes after the probe is an errno value in its readings") {
  const FakeSysfs tree;
  const FakeChip chip = jetson(tree, 0);
  const Probe probe = copy_of(tree);
  chip.write("curr1_input", "-7\n");
  std::vector<Reading> readings(3);
  probe.source->read(readings);
  CHECK(readings[0].error == ERANGE);
  CHECK(readings[1].error == 0);
  chip.write("curr1_input", "no\n");
  probe.source->read(readings);
  CHECK(readings[0].error == EBADMSG);
}

TEST_CASE("windows are judged by counters whose pace is known") {
  const FakeSysfs tree;
  const FakeChip chip(tree, 0, "scmi_sensors");
  std::int64_t energy_uj = 7'000'000;
  const auto move = [&] { chip.number("energy1_input", energy_uj += 1'000'000); };
  chip.write("energy1_label", "SYS_ENM\n");
  move();
  const auto live = [&] {
    return probe_hwmon({.sysroot = tree.root(), .live = true, .pause = move});
  };
  // The firmware's own pace: nobody knows it.
  CHECK_FALSE(live().source->info().live);
  // An hour between two updates, and a window of as good as none.
  chip.number("update_interval", 3'600'000);
  Probe slow = live();
  CHECK(slow.source->info().live);
  CHECK(domain(slow, "scmi_sensors/SYS_ENM").update_s == Approx(3600));
  EnergyMeter meter(std::move(slow.source));
  meter.start();
  move();
  const EnergyDelta delta = meter.stop();
  CHECK(delta.status == Status::kNotMeasured);
  CHECK_THAT(delta.why, Contains("is too short for this counter (scmi_sensors/SYS_ENM"));
  // Sensors of power say themselves how long a window they need.
  const FakeSysfs board;
  jetson(board, 0);
  CHECK_FALSE(
      probe_hwmon({.sysroot = board.root(), .live = true, .pause = [] {}}).source->info().live);
}
