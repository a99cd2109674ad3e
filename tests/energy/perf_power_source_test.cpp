// The msr PMU stands in for power: dynamic too, without exclude bits, one event that always moves
// (tsc) and one that stays at zero (smi). Where perf_event_open or that PMU is refused, the tests
// say so and stop.
#include "energy/perf_power_source.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <thread>

#include "energy/energy_meter.h"
#include "tests/energy/fake_power_pmu.h"
#include "tests/support/catch.h"
#include "tests/support/unprivileged.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::FakeSysfs;
using tern::tests::kPowerPmu;
using tern::tests::Unprivileged;
using tern::tests::write_power_event;
using tern::tests::write_power_pmu;

namespace {

constexpr const char* kTsc = "event=0x00";
constexpr const char* kSmi = "event=0x04";  // Intel's alone: system management interrupts are rare

unsigned msr_type() {
  unsigned type = 0;
  std::ifstream("/sys/bus/event_source/devices/msr/type") >> type;
  return type;
}

// Why the stand-in cannot be used on a CPU; empty when it can. Asked of the kernel directly.
std::string msr_refused(int cpu, std::uint64_t event) {
  if (msr_type() == 0) return "this kernel has no msr PMU";
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = msr_type();
  attr.config = event;
  const long fd = ::syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
  if (fd < 0) return std::strerror(errno);
  ::close(static_cast<int>(fd));
  return "";
}

bool msr_usable(int cpu, std::uint64_t event = 0) {
  const std::string why = msr_refused(cpu, event);
  if (!why.empty()) {
    WARN("the msr PMU's event " << event << " cannot stand in on CPU " << cpu << ": " << why);
  }
  return why.empty();
}

// One look: an event that moves does so between any two readings.
Probe probe_of(const FakeSysfs& tree, bool live = false) {
  return probe_perf_power({.sysroot = tree.root(), .live = live, .pause = [] {}});
}

FakeSysfs& with_cpus(FakeSysfs& tree, std::initializer_list<int> packages) {
  tree.cpus(packages);
  return tree;
}

void pass_time() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

}  // namespace

TEST_CASE("without a power PMU the reason names it, and a broken one says what is broken") {
  const FakeSysfs tree;
  CHECK_THAT(probe_of(tree).why_not,
             Contains("event_source/devices/power does not exist") && Contains("virtual machine"));
  CHECK(probe_of(tree).name == "perf");
  write_power_pmu(tree, 3, "0");
  CHECK_THAT(probe_of(tree).why_not, Contains("at least 6"));
  write_power_pmu(tree, 23, "0");
  write_power_event(tree, "energy-pkg", "event=0x02");
  tree.write(std::string(kPowerPmu) + "/events/energy-pkg.unit", "Watts\n");
  const Probe probe = probe_of(tree);
  CHECK(probe.source == nullptr);
  CHECK_THAT(probe.why_not, Contains("no usable event") && Contains("expected Joules"));
}

TEST_CASE("a stand-in PMU is opened, read and metered from end to end") {
  if (!msr_usable(0)) return;
  FakeSysfs tree;
  with_cpus(tree, {0});
  write_power_pmu(tree, msr_type(), "0");
  write_power_event(tree, "energy-pkg", kTsc);
  write_power_event(tree, "energy-psys", kTsc);
  Probe probe = probe_of(tree);
  INFO(probe.why_not);
  REQUIRE(probe.source != nullptr);
  const SourceInfo info = probe.source->info();
  CHECK(info.name == "perf");
  CHECK(info.coverage == "1 of 1 packages, no dram domain");
  CHECK_FALSE(info.attributed);
  REQUIRE(info.domains.size() == 2);
  CHECK(info.domains[0].name == "package-0");
  CHECK(info.domains[0].modulus == 0);
  CHECK(info.domains[0].included);
  CHECK(info.domains[1].name == "psys");
  CHECK_FALSE(info.domains[1].included);

  EnergyMeter meter(std::move(probe.source));
  double power_w[2] = {};
  for (double& power : power_w) {
    meter.start();
    pass_time();
    const EnergyDelta delta = meter.stop();
    INFO(delta.why);
    REQUIRE(delta.status == Status::kMeasured);
    CHECK(delta.source == "perf");
    REQUIRE(delta.total_joules > 0);
    CHECK(delta.domains[1].measured);
    power = delta.total_joules / delta.window_s;
  }
  // The clock of a CPU keeps its pace: 0.1 to 10 GHz times 2^-32 J.
  CHECK(power_w[0] / power_w[1] == Approx(1).epsilon(0.5));
  CHECK(power_w[0] > 1e8 * 0x1p-32);
  CHECK(power_w[0] < 1e10 * 0x1p-32);
}

TEST_CASE("an event that stays at zero is absent, not zero") {
  if (!msr_usable(0) || !msr_usable(0, 4)) return;
  FakeSysfs tree;
  with_cpus(tree, {0});
  write_power_pmu(tree, msr_type(), "0");
  write_power_event(tree, "energy-pkg", kTsc);
  write_power_event(tree, "energy-ram", kSmi);
  write_power_event(tree, "energy-gpu", kSmi);
  Probe probe = probe_of(tree);
  REQUIRE(probe.source != nullptr);
  const std::vector<Domain>& domains = probe.source->info().domains;
  CHECK(domains[1].name == "package-0/dram");
  CHECK_FALSE(domains[1].measurable);
  CHECK_THAT(domains[1].why_excluded, Contains("does not move"));
  CHECK_THAT(probe.source->info().coverage, Contains("dram not measurable"));
  EnergyMeter meter(std::move(probe.source));
  meter.start();
  pass_time();
  const EnergyDelta delta = meter.stop();
  CHECK(delta.status == Status::kMeasured);
  CHECK_FALSE(delta.domains[1].measured);
  CHECK_FALSE(delta.domains[2].measured);

  write_power_event(tree, "energy-pkg", kSmi);
  const Probe still = probe_of(tree);
  CHECK(still.source == nullptr);
  CHECK_THAT(still.why_not, Contains("package-0: not measurable") && Contains("does not move"));
}

TEST_CASE("an event or a CPU that the kernel refuses is listed with its errno") {
  if (!msr_usable(0)) return;
  FakeSysfs tree;
  with_cpus(tree, {0, 1});
  write_power_pmu(tree, msr_type(), "0");
  write_power_event(tree, "energy-pkg", kTsc);
  write_power_event(tree, "energy-ram", "event=0xff");
  const Probe partial = probe_of(tree);
  REQUIRE(partial.source != nullptr);
  CHECK_THAT(partial.source->info().domains[1].why_excluded,
             Contains("perf_event_open of power/energy-ram/ on CPU 0 failed (Invalid argument"));
  CHECK_THAT(partial.source->info().coverage, Contains("1 of 2 packages"));

  tree.write("sys/devices/system/cpu/cpu60000/topology/physical_package_id", "2\n");
  write_power_pmu(tree, msr_type(), "0,60000");
  const Probe one = probe_of(tree);
  REQUIRE(one.source != nullptr);
  CHECK_THAT(one.source->info().coverage, Contains("1 of 3 packages"));
  const Domain& missing = one.source->info().domains.at(2);
  CHECK(missing.name == "package-2");
  CHECK_FALSE(missing.measurable);
  CHECK_THAT(missing.why_excluded, Contains("on CPU 60000"));

  write_power_pmu(tree, 0x7FFFFFF0, "0");
  const Probe none = probe_of(tree);
  CHECK(none.source == nullptr);
  CHECK_THAT(none.why_not, Contains("No such file") && Contains("virtual machine"));
}

TEST_CASE("a package's counter shown once per die counts once") {
  if (!msr_usable(0) || !msr_usable(1)) return;
  FakeSysfs tree;
  with_cpus(tree, {0, 0});
  tree.write("sys/devices/system/cpu/cpu1/topology/die_id", "1\n");
  write_power_pmu(tree, msr_type(), "0,1");
  write_power_event(tree, "energy-pkg", kTsc);
  Probe probe = probe_of(tree);
  REQUIRE(probe.source != nullptr);
  CHECK(probe.source->info().coverage == "1 of 1 packages (2 of 2 dies), no dram domain");
  EnergyMeter meter(std::move(probe.source));
  EnergyDelta delta;
  // A busy machine may come between the readings of two CPUs, but not every time.
  for (int window = 0; window < 20; ++window) {
    meter.start();
    pass_time();
    delta = meter.stop();
    if (!delta.domains.at(1).included) break;
  }
  INFO(delta.why << delta.domains[0].joules << ' ' << delta.domains[1].joules);
  REQUIRE(delta.status == Status::kMeasured);
  CHECK(delta.domains[0].name == "package-0-die-0");
  CHECK(delta.domains[0].included);
  CHECK_FALSE(delta.domains[1].included);
  CHECK_THAT(delta.domains[1].why, Contains("mirrored") && Contains("package-0-die-0"));
  CHECK(delta.total_joules == delta.domains[0].joules);
  CHECK_THAT(delta.coverage, Contains("package-0-die-1 mirrored"));
}

TEST_CASE("CPUs that no die tells apart, or no package, keep names of their own") {
  if (!msr_usable(0) || !msr_usable(1)) return;
  FakeSysfs tree;
  with_cpus(tree, {0, 0});
  write_power_pmu(tree, msr_type(), "0-1");
  write_power_event(tree, "energy-pkg", kTsc);
  write_power_event(tree, "energy-psys", kTsc);
  const Probe same = probe_of(tree);
  REQUIRE(same.source != nullptr);
  CHECK(same.source->info().domains[0].name == "package-0-cpu-0");
  CHECK(same.source->info().domains[1].name == "package-0-cpu-0/psys");
  CHECK(same.source->info().domains[2].name == "package-0-cpu-1");
  std::filesystem::remove_all(tree.path("sys/devices"));
  const Probe unknown = probe_of(tree);
  REQUIRE(unknown.source != nullptr);
  CHECK(unknown.source->info().domains[0].name == "package-of-cpu-0");
  CHECK_THAT(unknown.source->info().coverage, Contains("of an unknown number"));
}

TEST_CASE("cores of power_core add up beside their package") {
  if (!msr_usable(0) || !msr_usable(1)) return;
  FakeSysfs tree;
  with_cpus(tree, {0, 0});
  write_power_pmu(tree, msr_type(), "0");
  write_power_event(tree, "energy-pkg", kTsc);
  const std::string cores = std::string(kPowerPmu) + "_core";
  write_power_pmu(tree, msr_type(), "0-1", cores);
  write_power_event(tree, "energy-core", kTsc, cores);
  Probe probe = probe_of(tree);
  REQUIRE(probe.source != nullptr);
  REQUIRE(probe.source->info().domains.size() == 2);
  CHECK(probe.source->info().domains[1].name == "package-0/cores");
  CHECK(probe.source->info().domains[1].why_excluded == "inside the package");
  EnergyMeter meter(std::move(probe.source));
  EnergyDelta delta;
  double cores_per_package = 0;
  // Two clocks against one, unless a busy machine comes between the readings.
  for (int window = 0; window < 20 && std::abs(cores_per_package - 2) > 0.3; ++window) {
    meter.start();
    pass_time();
    delta = meter.stop();
    REQUIRE(delta.domains.at(1).measured);
    cores_per_package = delta.domains[1].joules / delta.domains[0].joules;
  }
  CHECK(cores_per_package == Approx(2).margin(0.3));
  CHECK(delta.total_joules == delta.domains[0].joules);
}

TEST_CASE("descriptors outlive a moved cpumask") {
  if (!msr_usable(0)) return;
  FakeSysfs tree;
  with_cpus(tree, {0});
  write_power_pmu(tree, msr_type(), "0");
  write_power_event(tree, "energy-pkg", kTsc);
  const Probe probe = probe_of(tree);
  REQUIRE(probe.source != nullptr);
  tree.write(std::string(kPowerPmu) + "/cpumask", "7\n");
  Reading first = probe.source->read_one(0);
  Reading second = probe.source->read_one(0);
  CHECK(first.error == 0);
  CHECK(second.error == 0);
  CHECK(second.raw > first.raw);
}

TEST_CASE("a live counter that moves at every look is metered unaligned") {
  if (!msr_usable(0)) return;
  FakeSysfs tree;
  with_cpus(tree, {0});
  write_power_pmu(tree, msr_type(), "0");
  write_power_event(tree, "energy-pkg", kTsc);
  Probe probe = probe_of(tree, true);
  REQUIRE(probe.source != nullptr);
  CHECK(probe.source->info().live);
  EnergyMeter meter(std::move(probe.source));
  meter.start();
  for (int i = 0; i < 8; ++i) pass_time();
  const EnergyDelta delta = meter.stop();
  INFO(delta.why);
  CHECK(delta.status == Status::kMeasured);
  CHECK_FALSE(delta.aligned);
  CHECK(delta.edge_s == delta.update_s);
}

TEST_CASE("an answer of the power PMU inside a virtual machine is attributed") {
  if (!msr_usable(0)) return;
  FakeSysfs tree;
  with_cpus(tree, {0});
  write_power_pmu(tree, msr_type(), "0");
  write_power_event(tree, "energy-pkg", kTsc);
  tree.write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor\n");
  Probe probe = probe_of(tree);
  REQUIRE(probe.source != nullptr);
  CHECK(probe.source->info().attributed);
  EnergyMeter meter(std::move(probe.source));
  meter.start();
  pass_time();
  CHECK(meter.stop().status == Status::kAttributed);
}

TEST_CASE("the kernel's own sum is read often enough to bear more than 200 W") {
  if (!msr_usable(0)) return;
  FakeSysfs tree;
  with_cpus(tree, {0});
  write_power_pmu(tree, msr_type(), "0");
  write_power_event(tree, "energy-pkg", kTsc);
  const Probe probe = probe_of(tree);
  REQUIRE(probe.source != nullptr);
  const Domain& domain = probe.source->info().domains[0];
  // 2^31 units of 2^-16 J are where it slips.
  CHECK(domain.safe_joules * 2 == 0x1p15);
  CHECK(domain.max_power_w >= 500);
}

TEST_CASE("a refusal of permission names the rule and the remedy") {
  if (!msr_usable(0)) return;
  FakeSysfs tree;
  with_cpus(tree, {0});
  write_power_pmu(tree, msr_type(), "0");
  write_power_event(tree, "energy-pkg", kTsc);
  Probe probe;
  {
    const Unprivileged nobody;
    if (msr_refused(0, 0).empty()) {
      WARN("nobody may count for the whole machine here: the refusal is not tested");
      return;
    }
    probe = probe_of(tree);
  }
  CHECK(probe.source == nullptr);
  CHECK_THAT(probe.why_not,
             Contains("power/energy-pkg/ on CPU 0") && Contains("perf_event_paranoid"));
  // Which one depends on what stands around this process: perf_permission_test.
  CHECK(probe.remedy ==
        perf_permission(PerfScope::kWholeMachine, EACCES, read_perf_rules()).remedy);
}

TEST_CASE("each level of perf_event_paranoid has its remedy") {
  for (const int error : {EACCES, EPERM}) {
    const OpenFailure usual = explain_power_failure(error, "x", {"2"});
    CHECK_THAT(usual.why, Contains("x failed") && Contains("perf_event_paranoid is 2"));
    CHECK_THAT(usual.remedy, Contains("perf_event_paranoid=0") && !Contains("once the level"));
    for (const char* level : {"3", "4"}) {
      const OpenFailure debian = explain_power_failure(error, "x", {level});
      CHECK_THAT(debian.remedy,
                 Contains("once the level is 2 or less: sudo setcap cap_perfmon+ep"));
    }
    for (const char* level : {"0", "-1"}) {
      CHECK_THAT(explain_power_failure(error, "x", {level}).why, Contains("security module"));
    }
    CHECK_THAT(explain_power_failure(error, "x", {}).why, Contains("unreadable"));
  }
  CHECK_THAT(explain_power_failure(EMFILE, "x", {"2"}).remedy, Contains("ulimit"));
}
